"""Models 1 to 4 on processors that this machine does not have: dlib's faces, as dlib finds them here.

What this does not show: how fast anything is there, and more than one small photo.
"""

import json
import platform
import signal
import sys
from pathlib import Path

import cv2
import pytest

from benchmarks.harness.faces import of_entry
from benchmarks.parity.comparison import Comparison
from benchmarks.parity.photos import decoded
from benchmarks.parity.reference import WEIGHTS, References
from model_store.store import WeightStore
from service.settings import ADVERTISED_AREA
from tests.conftest import ROOT
from tests.emulated import arm64
from tests.emulated.machines import PROCESSORS, Machine, missing
from tests.images.debian import NoDebian

pytestmark = [pytest.mark.slow, pytest.mark.emulated]

CACHE = ROOT / ".cache" / "emulated"
PART = (slice(0, 300), slice(60, 360))
"""Of astronaut.png: one face, which both detectors find, in 0.09 megapixels."""


@pytest.fixture(scope="module", params=PROCESSORS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    processor = PROCESSORS[request.param]
    if reason := missing([processor.emulator, "prlimit"]):
        pytest.skip(reason)
    if request.param == "arm64":
        if reason := arm64.wanting():
            pytest.skip(reason)
        try:
            return arm64.machine(CACHE)
        except NoDebian as error:
            pytest.skip(str(error))
    if platform.machine() != processor.machine:
        pytest.skip(f"the environment's packages are for {platform.machine()}")
    made = Machine(processor, tmp_path_factory.mktemp("files"), Path(sys.executable))
    made.describe_processor()
    return made


@pytest.fixture(scope="module")
def photo(photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG, the format that the most code of a processor's own decodes."""
    path = tmp_path_factory.mktemp("photo") / "part.jpg"
    whole = cv2.imread(str(photos["astronaut.png"]))
    assert whole is not None
    cv2.imwrite(str(path), whole[PART])
    return path


def test_every_model_gives_dlibs_faces(
    machine: Machine, photo: Path, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = WeightStore(store)
    references = References(ROOT / ".cache" / "reference", {name: weights.path(name) for name in WEIGHTS})
    ((here, reference),) = references.of(decoded([photo], ADVERTISED_AREA, []), processes=1)

    ended = machine.run(
        *("-m", "tests.emulated.answers", store.resolve(), photo),
        environment={"NUMBA_CACHE_DIR": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert machine.processor.has <= set(told["features"])
    assert not machine.processor.lacks & set(told["features"])
    assert list(tmp_path.glob("*.code")), "the loops were compiled there"
    assert not told["dlib"]
    assert told["pixels"] == here.digest
    for model, expected in reference.models.items():
        comparison = Comparison()
        comparison.add(here.name, [of_entry(face) for face in told["models"][str(model)]], expected)
        assert comparison.problems == [], f"model {model}"
        assert comparison.faces == 1
        with capsys.disabled():
            print(
                f"\n{machine.processor.cpu}, model {model}: confidence differs by {comparison.confidence:.1e}, "
                f"descriptor by {comparison.descriptor:.1e}",
                end="",
            )


@pytest.mark.parametrize("machine", ["without avx"], indirect=True)
def test_without_avx_dlib_is_refused_for_what_it_would_do(machine: Machine, tmp_path: Path) -> None:
    settings = {"FACE_ENGINE": "dlib", "NUMBA_CACHE_DIR": str(tmp_path)}
    refused = machine.run("-m", "service", "check", environment=settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"this processor ({machine.processor.cpu}) lacks avx, which")
    assert refused.stderr.count("\n") == 1
    died = machine.run("-c", "import dlib", environment={})
    assert died.returncode == -signal.SIGILL, "the wheels of dlib run without AVX now: service/processor.py"
