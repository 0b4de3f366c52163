"""What is said where something of NVIDIA's is missing: a compiler makes drivers and libraries, which are loaded."""

import ctypes
import gc
import shutil
import site
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from service.recognition import libraries, nvidia
from service.recognition.runtime import onnxruntime

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler to make libraries with")

PART = "libonnxruntime_providers_of_test.so"

DRIVER = """
#include <stddef.h>
#include <stdlib.h>
int cuInit(unsigned flags) { return STATUS; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7; return number; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? CAPABILITY : 1;
    return device == 7 ? 0 : 101;
}
static int retained, pushed;
int cuDevicePrimaryCtxRetain(void **context, int device) { *context = &retained; retained++; return 0; }
int cuDevicePrimaryCtxRelease_v2(int device) { return --retained; }
int cuCtxPushCurrent_v2(void *context) { pushed++; return context == &retained ? 0 : 201; }
int cuCtxPopCurrent_v2(void **context) { return --pushed; }
int cuMemGetInfo_v2(size_t *available, size_t *total) {
    *available = 3ul << 30;
    *total = 8ul << 30;
    return pushed == 1 ? 0 : 201;
}
static int locked;
int cuMemHostAlloc(void **start, size_t count, unsigned flags) {
    *start = malloc(count);
    locked++;
    return pushed == 1 && flags == 1 ? REFUSED : 201;
}
int cuMemFreeHost(void *start) { free(start); locked--; return pushed == 1 ? 0 : 201; }
int locked_now() { return locked; }
"""


def _compiled(file: Path, source: str, *options: str) -> Path:
    assert COMPILER is not None
    (file.parent / "source.c").write_text(source)
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", "-o", file, file.parent / "source.c", *options],
        check=True,
        capture_output=True,
    )
    return file


MakeDriver = Callable[..., None]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeDriver:
    """`driver(VERSION=11040)` makes a driver, in the place of what this machine may have."""

    def make(**defined: int) -> None:
        values = {"STATUS": 0, "VERSION": 12080, "CAPABILITY": 6, "REFUSED": 0, **defined}
        file = _compiled(tmp_path / "libcuda.so.1", DRIVER, *(f"-D{name}={v}" for name, v in values.items()))
        monkeypatch.setattr(nvidia, "DRIVER", str(file))

    return make


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel whose provider asks for two libraries that are nowhere, and for the system's own."""
    for name in ("libcublas_of_test.so.12", "libcudnn_of_test.so.9"):
        _compiled(tmp_path / name, "int here;", f"-Wl,-soname,{name}")
    linked = ["-Wl,--no-as-needed", *(str(file) for file in sorted(tmp_path.glob("*_of_test.so.*")))]
    _compiled(tmp_path / PART, "", *linked, "-lm")
    for file in tmp_path.glob("*_of_test.so.*"):
        file.unlink()
    monkeypatch.setattr(nvidia, "_folder", lambda: tmp_path)
    monkeypatch.setattr(onnxruntime, "cuda_version", "12.8", raising=False)
    return tmp_path


def test_the_names_that_a_library_asks_for_are_read_from_it(wheel: Path) -> None:
    names = libraries.needed(wheel / PART)
    assert names[:3] == ["libcublas_of_test.so.12", "libcudnn_of_test.so.9", "libm.so.6"]
    # One that somebody else has made, larger and with more segments.
    (other,) = Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*.so")
    assert "libc.so.6" in libraries.needed(other)


def test_a_file_that_is_no_library_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("GROUP ( libc.so.6 )")
    with pytest.raises(ValueError, match="no shared library"):
        libraries.needed(tmp_path / "text.so")


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "DRIVER", "libcuda_that_is_nowhere.so.1")
    said = nvidia.missing(PART)
    assert said is not None
    assert said.startswith("there is no NVIDIA driver (libcuda_that_is_nowhere.so.1")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("defined", "said"),
    [
        ({"STATUS": 100}, "finds no GPU"),
        ({"STATUS": 803}, "cuInit gives error 803"),
        ({"VERSION": 11040}, "the NVIDIA driver is too old: it runs CUDA 11.4"),
        ({"CAPABILITY": 5}, "the GPU is too old: it has compute capability 5.1"),
    ],
)
@pytest.mark.usefixtures("wheel")
def test_a_driver_or_a_gpu_that_will_not_do(driver: MakeDriver, defined: dict[str, int], said: str) -> None:
    driver(**defined)
    assert said in str(nvidia.missing(PART))


def test_a_library_that_is_missing_is_named_with_what_it_is_part_of(driver: MakeDriver, wheel: Path) -> None:
    driver()
    said = str(nvidia.missing(PART))
    assert said.startswith("cuBLAS for CUDA 12 is missing (libcublas_of_test.so.12: ")
    assert said.endswith("pip install 'onnxruntime-gpu[cuda,cudnn]'")
    assert "\n" not in said


def test_a_newer_minor_version_than_the_drivers_is_no_obstacle(driver: MakeDriver, wheel: Path) -> None:
    driver(VERSION=12000)
    assert "cuBLAS" in str(nvidia.missing(PART))


def test_libraries_of_nvidias_wheels_are_found(
    driver: MakeDriver, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver()
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(wheel)])
    for package, name in (("cublas", "libcublas_of_test.so.12"), ("cudnn", "libcudnn_of_test.so.9")):
        assert name in str(nvidia.missing(PART))
        folder = wheel / "nvidia" / package / "lib"
        folder.mkdir(parents=True)
        _compiled(folder / name, "int here;", f"-Wl,-soname,{name}")
    assert nvidia.missing(PART) is None


@pytest.mark.parametrize(
    ("capability", "version", "fits"), [(7, 92800, False), (7, 91002, True), (8, 92800, True)]
)
def test_a_cudnn_that_has_left_the_gpu_behind(
    driver: MakeDriver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capability: int,
    version: int,
    fits: bool,
) -> None:
    name = f"libcudnn.so.of_test_{capability}_{version}"  # what is loaded stays: no other test may meet it
    source = f"#include <stddef.h>\nsize_t cudnnGetVersion(void) {{ return {version}; }}"
    library = _compiled(tmp_path / name, source, f"-Wl,-soname,{name}")
    _compiled(tmp_path / PART, "", "-Wl,--no-as-needed", str(library))
    folder = tmp_path / "nvidia" / "cudnn" / "lib"
    folder.mkdir(parents=True)
    library.rename(folder / name)
    monkeypatch.setattr(site, "getsitepackages", lambda: [str(tmp_path)])
    monkeypatch.setattr(nvidia, "_folder", lambda: tmp_path)
    monkeypatch.setattr(onnxruntime, "cuda_version", "12.8", raising=False)
    driver(CAPABILITY=capability)
    said = nvidia.missing(PART)
    assert said is None if fits else f"too old for this cuDNN ({version})" in str(said)


def test_the_memory_of_a_gpu(driver: MakeDriver) -> None:
    driver()
    # Twice: what was taken for the question is given back.
    for _ in range(2):
        assert nvidia.Driver().memory() == nvidia.Memory(used=5 << 30, total=8 << 30)


def test_page_locked_memory_is_given_back_with_its_last_view(driver: MakeDriver) -> None:
    driver()
    locked = ctypes.CDLL(nvidia.DRIVER).locked_now
    memory = nvidia.page_locked(1000)
    memory[:] = np.arange(1000) % 251
    view = memory[990:].reshape(2, 5)
    del memory
    gc.collect()
    assert locked() == 1
    assert view.tolist() == [[237, 238, 239, 240, 241], [242, 243, 244, 245, 246]]
    del view
    gc.collect()
    assert locked() == 0


def test_where_no_memory_can_be_page_locked_any_other_will_do(
    driver: MakeDriver, caplog: pytest.LogCaptureFixture
) -> None:
    driver(REFUSED=2)
    assert nvidia.page_locked(1000).shape == (1000,)
    assert "cuMemHostAlloc gives error 2 of CUDA; 1000 bytes go to the GPU in ordinary memory" in caplog.text
