"""Build of both images from their Dockerfiles in a bare Debian, and photos answered without a network.

Not covered: Docker itself, the published base image in place of Debian's own Python, arm64, and a GPU.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.calling import KEY, Caller, Reply
from tests.images import debian
from tests.images.containers import Container, Image, build
from tests.images.dockerfile import read
from tests.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.images]

CACHE = ROOT / ".cache" / "images"
CALLERS = 4
READY_SECONDS = 600.0
"""A limit for dlib's warm-up; ONNX Runtime takes one to two seconds."""
NO_DRIVER = "the CPU computes, since cuda cannot: there is no NVIDIA driver"
"""The only warning of the CUDA image: the container has no driver, even on a machine with one."""
CLOSE = 1e-5
"""The bound on a confidence and on a descriptor's value (docs/reference/parity.md)."""

Start = Callable[..., Container]


def _obstacle() -> str | None:
    """The reason why this machine cannot run containers, or None."""
    missing = [tool for tool in ("debootstrap", "unshare", "nsenter", "setpriv") if not shutil.which(tool)]
    if missing:
        return f"not installed: {', '.join(missing)}"
    trial = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "setpriv", "--reuid=1", "true"]
    ended = subprocess.run(trial, capture_output=True, text=True, check=False)
    return f"no containers here: {ended.stderr.strip()}" if ended.returncode else None


@pytest.fixture(scope="module", params=["cpu", "cuda"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(name: str) -> Iterator[Image]:
    if obstacle := _obstacle():
        pytest.skip(obstacle)
    stages = read(ROOT / f"Dockerfile.{name}")
    try:
        debian.base(stages[0].base, CACHE)
    except debian.NoDebian as error:
        pytest.skip(str(error))
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield build(stages, ROOT, partial(debian.base, cache=CACHE), Path(folder))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A key file as described in docs/guide/install.md: readable by all users."""
    file = tmp_path / "api.key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o644)
    return file


@pytest.fixture
def start(image: Image, tmp_path: Path) -> Start:
    return partial(Container, image, tmp_path / "log")


def test_the_image_has_no_key_no_build_tool_and_no_file_for_root_alone(image: Image) -> None:
    app = image.root / "app"
    assert {path.name for path in app.iterdir()} == {
        ".venv",
        "face-model",
        "models",
        "model_store",
        "pyproject.toml",
        "service",
    }
    packages = {path.name for path in next(app.glob(".venv/lib/python*/site-packages")).iterdir()}
    assert packages >= {"onnxruntime", "numba", "starlette"}
    assert not packages & {"pip", "onnx", "setuptools", "tqdm"}
    assert list(app.glob("service/recognition/__pycache__/*.code"))
    hidden = ["find", str(app), "(", "-type", "d", "-not", "-perm", "-o=rx", "-or"]
    hidden += ["-type", "f", "-not", "-perm", "-o=r", ")"]
    assert subprocess.run(hidden, check=True, capture_output=True).stdout == b""


LOADED = "import ctypes, sys; ctypes.CDLL(sys.argv[1])"
"""Python's code that loads a library with all that it needs."""


def test_the_image_has_drivers_of_cards_and_no_software_driver(name: str, image: Image) -> None:
    drivers = _vulkan_drivers(image)
    assert drivers >= ({"libvulkan_radeon.so"} if name == "cpu" else set())
    assert "libvulkan_lvp.so" not in drivers | {
        file.name for file in image.root.glob("usr/lib/*/libvulkan_*")
    }


def _vulkan_drivers(image: Image) -> set[str]:
    """Libraries that the manifests of Vulkan's loader name."""
    manifests = [json.loads(file.read_text()) for file in image.root.glob("usr/share/vulkan/icd.d/*.json")]
    return {Path(manifest["ICD"]["library_path"]).name for manifest in manifests}


def test_refuses_to_start_without_a_key(start: Start) -> None:
    with closing(start(API_KEY="")) as container:
        assert container.wait() == 1
        assert container.log.startswith("There is no API key")


def test_answers_photos_as_its_user_from_a_read_only_tree(
    name: str, start: Start, key: Path, photos: dict[str, Path], portrait: bytes
) -> None:
    with closing(start(key, API_KEY="")) as container:
        user = container.image.stage.last("USER").split(":")[0]
        (face,) = _detect(container, portrait)[0].json["faces"]
        stages = _info(container)["stages"]
        assert {stage["engine"] for stage in stages.values()} == {"onnx", "compiled"}
        checked = container.run("python", "-m", "service.healthcheck")
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert container.run("id", "-u").stdout == f"{user}\n"
        assert "Read-only file system" in container.run("touch", "/app/new").stderr
        for library in _vulkan_drivers(container.image):
            loaded = container.run("python", "-c", LOADED, library)
            assert loaded.returncode == 0, loaded.stderr
        routes = container.run("cat", "/proc/net/route").stdout
        assert routes.count("\n") == 1, "only the heading: no route"
        answers = _detect(container, *(path.read_bytes() for path in photos.values()))
        assert {reply.status for reply in answers} == {200}
        assert container.stop() == 0, container.log
    warnings = [line for line in container.log.splitlines() if "warning" in line.lower()]
    assert [NO_DRIVER in line for line in warnings] == ([True] if name == "cuda" else []), container.log
    with closing(start(key, FACE_ENGINE="dlib")) as container:
        (reference,) = _detect(container, portrait)[0].json["faces"]
    _assert_close(face, reference)


def _detect(container: Container, *photos: bytes) -> list[Reply]:
    """The answers of `/detect`, in the order of the photos, from callers in the container's network."""
    caller = Caller(5000, patience=READY_SECONDS)
    with ThreadPoolExecutor(CALLERS, initializer=container.enter_network) as threads:
        threads.submit(_wait_until_ready, caller, container).result()
        return list(threads.map(lambda photo: caller.post("/detect", caller.photo(photo)), photos))


def _info(container: Container) -> Any:
    """The answer of `/info`."""
    with ThreadPoolExecutor(1, initializer=container.enter_network) as thread:
        return thread.submit(Caller(5000).get, "/info").result().json


def _wait_until_ready(caller: Caller, container: Container) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        assert container.running, container.log
        try:
            if caller.get("/ready").status == 200:
                return
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.05)
    pytest.fail(f"not ready: {container.log}")


def _assert_close(face: dict[str, Any], reference: dict[str, Any]) -> None:
    near = ("detection_confidence", "descriptor")
    for value in near:
        np.testing.assert_allclose(face.pop(value), reference.pop(value), rtol=0, atol=CLOSE)
    assert face == reference
