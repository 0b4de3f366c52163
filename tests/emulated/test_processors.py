"""Parity of models 1 to 4 with dlib on emulated processors.

The reference is dlib on this machine, for one small photo. Emulation measures no speed.
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
from benchmarks.parity.decoded_photos import decoded
from benchmarks.parity.reference import WEIGHTS, References
from model_store.store import WeightStore
from service.settings import ADVERTISED_AREA
from tests.emulated import arm64
from tests.emulated.machines import PROCESSORS, Machine, missing
from tests.images.debian import NoDebian
from tests.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.emulated]

CACHE = ROOT / ".cache" / "emulated"
CROP = (slice(0, 300), slice(60, 360))
"""Rows and columns of astronaut.png: one face, which both detectors find, in 0.09 megapixels."""


@pytest.fixture(scope="module", params=PROCESSORS)
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    processor = PROCESSORS[request.param]
    if reason := missing([processor.emulator, "prlimit"]):
        pytest.skip(reason)
    if request.param == "arm64":
        if reason := arm64.obstacle():
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
    """A JPEG, the format whose decoder has the most processor-specific code."""
    path = tmp_path_factory.mktemp("photo") / "crop.jpg"
    whole = cv2.imread(str(photos["astronaut.png"]))
    assert whole is not None
    cv2.imwrite(str(path), whole[CROP])
    return path


def test_every_model_equals_dlib(
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
    report = json.loads(ended.stdout)
    assert machine.processor.has <= set(report["features"])
    assert not machine.processor.lacks & set(report["features"])
    assert list(tmp_path.glob("*.code")), "no loop was compiled there"
    assert not report["dlib"]
    assert report["pixels"] == here.digest
    for model, expected in reference.models.items():
        comparison = Comparison()
        comparison.add(here.name, [of_entry(face) for face in report["models"][str(model)]], expected)
        assert comparison.problems == [], f"model {model}"
        assert comparison.faces == 1
        with capsys.disabled():
            print(
                f"\n{machine.processor.cpu}, model {model}: confidence differs by {comparison.confidence:.1e}, "
                f"descriptor by {comparison.descriptor:.1e}",
                end="",
            )


@pytest.mark.parametrize("machine", ["without avx"], indirect=True)
def test_rejects_dlib_on_a_processor_without_avx(machine: Machine, tmp_path: Path) -> None:
    settings = {"FACE_ENGINE": "dlib", "NUMBA_CACHE_DIR": str(tmp_path)}
    refused = machine.run("-m", "service", "check", environment=settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"this processor ({machine.processor.cpu}) lacks avx, which")
    assert refused.stderr.count("\n") == 1
    died = machine.run("-c", "import dlib", environment={})
    assert died.returncode == -signal.SIGILL, "the wheels of dlib run without AVX now: service/cpu_flags.py"
