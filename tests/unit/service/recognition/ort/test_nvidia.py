"""NVIDIA's missing parts, name and GPU memory, against drivers and libraries that a C compiler makes."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.recognition.ort import cuda_lines, nvidia
from service.recognition.ort.device import Kind
from service.recognition.ort.runtime import onnxruntime
from tests.paths import ROOT

COMPILER = shutil.which("cc")
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler to make libraries with")


PLACES = {
    "libcudart.so.12": "cuda_runtime",
    "libcublasLt.so.12": "cublas",
    "libcublas.so.12": "cublas",
    "libcufft.so.11": "cufft",
    "libcurand.so.10": "curand",
    "libcudnn.so.9": "cudnn",
}
"""Libraries -> folders of NVIDIA's wheels."""

DRIVER = """
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
int cuInit(unsigned flags) { return STATUS; }
int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
int cuDeviceGet(int *device, int number) { *device = 7; return number; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? CAPABILITY : attribute == 76;
    return device == 7 ? 0 : 101;
}
int cuDeviceGetName(char *name, int size, int device) {
    return device == 7 && snprintf(name, size, "NVIDIA GeForce RTX 3060") < size ? 0 : 101;
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
    """`driver(VERSION=11040)` makes a driver, used instead of this machine's."""

    def make(**defined: int) -> None:
        values = {"STATUS": 0, "VERSION": 12080, "CAPABILITY": 6, **defined}
        file = _compiled(tmp_path / "libcuda.so.1", DRIVER, *(f"-D{name}={v}" for name, v in values.items()))
        monkeypatch.setattr(nvidia, "DRIVER", str(file))

    return make


@pytest.fixture
def wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of ONNX Runtime for CUDA 12.8."""
    monkeypatch.setattr(onnxruntime, "cuda_version", "12.8")


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages with NVIDIA's wheels, of cuDNN 9.28."""
    for name in PLACES:
        _plant(tmp_path, name)
    return tmp_path


def _plant(packages: Path, name: str, cudnn: int = 92800) -> None:
    folder = packages / "nvidia" / PLACES[name] / "lib"
    folder.mkdir(parents=True, exist_ok=True)
    source = f"#include <stddef.h>\nsize_t cudnnGetVersion(void) {{ return {cudnn}; }}"
    _compiled(folder / name, source, f"-Wl,-soname,{name}")


_MISSING = """
import sys
from service.recognition.ort import nvidia
from service.recognition.ort.runtime import onnxruntime
onnxruntime.__file__, nvidia.DRIVER = sys.argv[1:]
onnxruntime.cuda_version = "12.8"
print(nvidia.missing())
"""


def _missing_with(packages: Path) -> str:
    """Standard output with the missing part, given these packages; in a child process, since libraries stay loaded."""
    program = [sys.executable, "-c", _MISSING, str(packages / "onnxruntime" / "__init__.py"), nvidia.DRIVER]
    done = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.removesuffix("\n")


def test_no_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "DRIVER", "libcuda_that_is_nowhere.so.1")
    message = nvidia.missing()
    assert message is not None
    assert message.startswith("there is no NVIDIA driver (libcuda_that_is_nowhere.so.1")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("defined", "message"),
    [
        ({"STATUS": 100}, "finds no GPU"),
        ({"STATUS": 803}, "cuInit gives error 803"),
        ({"VERSION": 11040}, "the NVIDIA driver is too old: it runs CUDA 11.4"),
        (
            {"CAPABILITY": 5},
            "has no code for the GPU: it has compute capability 5.1, and the wheel code for 6.0, ",
        ),
    ],
)
@pytest.mark.usefixtures("wheel")
def test_rejects_an_unusable_driver_or_gpu(driver: MakeDriver, defined: dict[str, int], message: str) -> None:
    driver(**defined)
    assert message in str(nvidia.missing())


@pytest.mark.parametrize(
    ("defined", "message"),
    [
        ({"VERSION": 13000, "CAPABILITY": 6}, "the wheel code for 7.5, 8.0, 8.6, 8.9, 9.0, 12.0: "),
        (
            {"VERSION": 12040, "CAPABILITY": 8},
            "the onnxruntime wheel was built for 13.0; update the driver, or: ",
        ),
    ],
)
def test_the_wheel_for_cuda_13_names_the_one_for_an_older_gpu_or_driver(
    driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, defined: dict[str, int], message: str
) -> None:
    monkeypatch.setattr(onnxruntime, "cuda_version", "13.0")
    driver(**defined)
    assert f"{message}`ACCELERATOR=cuda make serve`" in str(nvidia.missing())


@pytest.mark.usefixtures("wheel")
def test_names_a_missing_library_and_its_product(
    driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    driver(VERSION=12000)  # older within the major version, which is supported
    line = cuda_lines.LINES[12]._replace(libraries={"libcublas_of_test.so.12": "cuBLAS"})
    monkeypatch.setattr(cuda_lines, "LINES", {12: line})
    message = str(nvidia.missing())
    assert message.startswith("cuBLAS for CUDA 12 is missing (libcublas_of_test.so.12: ")
    assert message.endswith("pip install 'onnxruntime-gpu[cuda,cudnn]'")
    assert "\n" not in message
    assert capsys.readouterr().out == ""


def test_preload_failures_go_to_the_log_and_not_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: print("Failed to load libcudnn.so.9"))
    with caplog.at_level("DEBUG"):
        nvidia._preload()
    assert caplog.messages == ["ONNX Runtime: Failed to load libcudnn.so.9"]
    assert capsys.readouterr().out == ""


def test_libraries_of_nvidias_wheels_are_found(driver: MakeDriver, packages: Path) -> None:
    driver(CAPABILITY=8)
    assert _missing_with(packages) == "None"


@pytest.mark.parametrize(
    ("version", "message"), [(92800, "the GPU is too old for this cuDNN (92800)"), (91002, "None")]
)
def test_rejects_a_cudnn_without_kernels_for_the_gpu(
    driver: MakeDriver, packages: Path, version: int, message: str
) -> None:
    driver(CAPABILITY=7)
    _plant(packages, cuda_lines.CUDNN, version)
    assert _missing_with(packages).startswith(message)


def test_reads_the_memory_of_a_gpu(driver: MakeDriver) -> None:
    driver()
    # Twice: the first call has to release its context.
    for _ in range(2):
        assert nvidia.Driver().memory() == nvidia.Memory(used=5 << 30, total=8 << 30)


def test_reads_name_driver_and_kind_of_a_gpu(
    driver: MakeDriver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    driver()
    version = tmp_path / "version"
    monkeypatch.setattr(nvidia, "DRIVER_VERSION", version)
    found = nvidia.facts()
    assert found is not None
    assert found[::2] == ("NVIDIA GeForce RTX 3060", Kind.DISCRETE)
    assert (found.driver or "").startswith("CUDA 1")
    version.write_text("550.54.14\n")
    assert nvidia.facts() == found._replace(driver="NVIDIA 550.54.14")
