"""Each Dockerfile's own lines, carried out in a bare Debian, up to a hundred photos answered with no network.

What this does not show: Docker itself, the published base image in place of Debian's own Python, arm64, and a GPU.
"""

import json
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.calling import KEY, Caller
from tests.conftest import ROOT
from tests.images import debian, dockerfile
from tests.images.containers import Container, Image, build, context_of

pytestmark = [pytest.mark.slow, pytest.mark.images]

CACHE = ROOT / ".cache" / "images"
PHOTOS, CALLERS = 100, 4
START_SECONDS = 30.0
"""Until a container is ready; it takes one to two, on a busy machine four."""
DLIB_SECONDS = 600.0
WITHOUT_GPU = {"cpu": [], "cuda": ["the CPU computes, since cuda cannot: there is no NVIDIA driver"]}
"""What each image warns of here, where the container has no driver whatever this machine has."""
LISTED = 12
"""Parts of an image whose sizes are told."""
CLOSE = 1e-5
"""The bound on a confidence and on a descriptor's value (README, "Parity")."""


@dataclass(frozen=True)
class Built:
    """An image and what making it took."""

    name: str
    image: Image
    seconds: float

    def start(self, keys: Path | None, **settings: str) -> Container:
        return Container(self.image, settings, {str(keys): "/app/api.key"} if keys else {})


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    if reason := debian.wanting():
        pytest.skip(reason)
    stages = dockerfile.read(ROOT / f"Dockerfile.{request.param}")
    try:
        for name in {stage.base for stage in stages}:
            debian.base(name, CACHE)
    except debian.NoDebian as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        context = context_of(ROOT, Path(folder) / "context")
        began = time.monotonic()
        image = build(stages, context, partial(debian.base, cache=CACHE), Path(folder))
        yield Built(request.param, image, time.monotonic() - began)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As README says to make it: for every account to read."""
    file = tmp_path_factory.mktemp("host") / "api.key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o644)
    return file


def test_the_image_holds_no_key_no_tool_that_made_it_and_nothing_for_root_alone(built: Built) -> None:
    app = built.image.root / "app"
    assert {path.name for path in app.iterdir()} == {
        ".venv",
        "models",
        "model_store",
        "pyproject.toml",
        "service",
    }
    packages = {path.name for path in next(app.glob(".venv/lib/python*/site-packages")).iterdir()}
    assert packages >= {"onnxruntime", "numba", "starlette"}
    assert not packages & {"pip", "onnx", "setuptools", "tqdm"}
    assert list(app.glob("service/recognition/__pycache__/*.code"))
    hidden = subprocess.run(
        ["find", app, "-not", "-type", "l", "-not", "-perm", "-o=r"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert hidden.stdout == ""


def test_without_a_key_it_refuses_to_start_and_says_how_to_give_one(built: Built) -> None:
    with closing(built.start(None, API_KEY="")) as container:
        assert container.wait() == 1
        assert container.log.startswith("There is no API key")


def test_it_answers_photos_as_anybody_from_a_tree_that_cannot_be_written(
    built: Built,
    keys: Path,
    photos: dict[str, Path],
    portrait: bytes,
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.monotonic()
    with closing(built.start(keys, API_KEY="")) as container:
        caller = _Inside(built.image.port, container=container)
        _wait_until_ready(container, caller)
        ready = time.monotonic() - began
        checked = container.run(built.image.healthcheck)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert container.run(["id", "-u"]).stdout == f"{built.image.user[0]}\n"
        assert built.image.user[0] != 0
        assert "Read-only file system" in container.run(["touch", "/app/new"]).stderr
        assert container.run(["cat", "/proc/net/route"]).stdout.count("\n") == 1, (
            "the heading alone: no way out"
        )

        (face,) = caller.post("/detect", caller.photo(portrait)).json["faces"]
        answers = _send_all(caller, [path.read_bytes() for path in photos.values()])
        assert answers == {200: PHOTOS}
        info = caller.get("/info").json
        assert {stage["engine"] for stage in info["stages"].values()} == {"onnx", "compiled"}
        memory = container.peak_memory()
        assert container.stop() == 0, container.log
    warnings = [line for line in container.log.splitlines() if "warning" in line.lower()]
    assert len(warnings) == len(WITHOUT_GPU[built.name]), container.log
    assert all(said in line for said, line in zip(WITHOUT_GPU[built.name], warnings, strict=True)), warnings
    _same_as_dlib(face, built, keys, portrait)

    figures = {
        "build seconds": round(built.seconds, 1),
        "MB": _sizes(built.image.root / "app"),
        "seconds to ready": round(ready, 2),
        f"peak MiB after {PHOTOS} photos": round(memory),
    }
    (CACHE / f"{built.name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    with capsys.disabled():
        print(f"\n{built.name}: {json.dumps(figures)}")


@dataclass(frozen=True)
class _Inside(Caller):
    """A caller whose connections are made in a container's network."""

    container: Container = field(kw_only=True)

    def connect(self) -> socket.socket:
        with self.container.network():
            return super().connect()


def _wait_until_ready(container: Container, caller: Caller, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert container.running, container.log
        try:
            if caller.get("/ready").status == 200:
                return
        except (OSError, ProcessLookupError):
            pass  # no process, or it is not listening yet
        time.sleep(0.01)
    pytest.fail(f"not ready within {seconds:.0f} s: {container.log}")


def _send_all(caller: Caller, photos: list[bytes]) -> dict[int, int]:
    """The answers' statuses, and how many had each."""
    with ThreadPoolExecutor(CALLERS) as threads:
        replies = threads.map(
            lambda photo: caller.post("/detect", caller.photo(photo)), islice(cycle(photos), PHOTOS)
        )
        return dict(Counter(reply.status for reply in replies))


def _same_as_dlib(face: Any, built: Built, keys: Path, portrait: bytes) -> None:
    """dlib, in the same image and as cut off, finds the same face: it can stand in."""
    with closing(built.start(keys, FACE_ENGINE="dlib")) as container:
        caller = _Inside(built.image.port, patience=DLIB_SECONDS, container=container)
        _wait_until_ready(container, caller, DLIB_SECONDS)
        (reference,) = caller.post("/detect", caller.photo(portrait)).json["faces"]
        assert container.stop() == 0, container.log
    near = ("detection_confidence", "descriptor")
    for name in near:
        np.testing.assert_allclose(face[name], reference[name], rtol=0, atol=CLOSE)
    assert {k: v for k, v in face.items() if k not in near} == {
        k: v for k, v in reference.items() if k not in near
    }


def _sizes(app: Path) -> dict[str, int]:
    """MB of each part of the image beside its base, the largest first."""
    packages = next(app.glob(".venv/lib/python*/site-packages"))
    sizes = {part.name: _bytes(part) for part in (*packages.iterdir(), *app.iterdir())}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:LISTED]
    return {"all": round(_bytes(app) / 1e6), **{name: round(size / 1e6) for name, size in largest}}


def _bytes(part: Path) -> int:
    # du, since one file may have several names.
    listed = subprocess.run(["du", "-s", "-B1", part], check=True, capture_output=True, text=True).stdout
    return int(listed.split()[0])
