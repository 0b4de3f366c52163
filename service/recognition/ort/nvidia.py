"""NVIDIA's driver API: GPU memory, name, and missing parts in one line."""

import ctypes
import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from service.recognition.ort import cuda_lines
from service.recognition.ort.cuda_lines import CUDNN, Capability
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.runtime import onnxruntime

log = logging.getLogger(__name__)

DRIVER = "libcuda.so.1"
"""Part of the driver; a container gets it from the host."""

DRIVER_VERSION = Path("/sys/module/nvidia/version")

CUDNN_FOR_TURING = 9_11_00
"""The first version of cuDNN 9, in the form of `cudnnGetVersion`, without kernels for GPUs before Turing (7.5): its
support matrix up to 9.10, and the fatbins of 9.28."""
TURING = (7, 5)

MAXIMUM_NAME = 100
"""Bytes of a GPU's name, with the final NUL; a longer name is cut."""

_SUCCESS = 0
_NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE (cuda.h)."""
_INTEGRATED = 18
"""CU_DEVICE_ATTRIBUTE_INTEGRATED (cuda.h)."""
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR (cuda.h)."""

WHEELS = "onnxruntime-gpu[cuda,cudnn]"


class DriverError(Exception):
    """The driver is missing or a call of it failed; one line."""


class Memory(NamedTuple):
    """Memory of a GPU in bytes, of all processes together."""

    used: int
    total: int


class Driver:
    """NVIDIA's driver API; its errors are clearer than a provider's. Constructor and methods raise DriverError."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(DRIVER)
        except OSError as error:
            raise DriverError(
                f"there is no NVIDIA driver ({error}): install it on the host; a container gets it with --gpus all and "
                "the NVIDIA Container Toolkit"
            ) from None
        self._call("cuInit", 0)

    def version(self) -> tuple[int, int]:
        """The newest CUDA version that the driver supports."""
        number = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(number))
        return number.value // 1000, number.value % 1000 // 10

    def capability(self) -> Capability:
        """Compute capability of the first GPU."""
        values = []
        for attribute in (_MAJOR, _MINOR):
            value = ctypes.c_int()
            self._call("cuDeviceGetAttribute", ctypes.byref(value), attribute, self._device())
            values.append(value.value)
        return values[0], values[1]

    def name(self) -> str:
        """Name of the first GPU: "NVIDIA GeForce RTX 3060"."""
        text = ctypes.create_string_buffer(MAXIMUM_NAME)
        self._call("cuDeviceGetName", text, MAXIMUM_NAME, self._device())
        return text.value.decode(errors="replace")

    def kind(self) -> Kind:
        """Kind of the first GPU: integrated in a Jetson."""
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), _INTEGRATED, self._device())
        return Kind.INTEGRATED if value.value else Kind.DISCRETE

    def memory(self) -> Memory:
        """Used and total memory of the first GPU."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        with self._context():
            self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return Memory(total.value - free.value, total.value)

    @contextmanager
    def _context(self) -> Iterator[None]:
        """The first GPU's context, made by the CUDA runtime, as the current one."""
        context = ctypes.c_void_p()
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device())
        try:
            self._call("cuCtxPushCurrent_v2", context)
            try:
                yield
            finally:
                self._call("cuCtxPopCurrent_v2", ctypes.byref(context))
        finally:
            self._call("cuDevicePrimaryCtxRelease_v2", self._device())

    def _device(self) -> ctypes.c_int:
        device = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(device), 0)
        return device

    def _call(self, name: str, *arguments: Any) -> None:
        status = int(getattr(self._library, name)(*arguments))
        if status == _NO_DEVICE:
            raise DriverError(
                "the NVIDIA driver finds no GPU: give the container one (--gpus all), and check the list of nvidia-smi"
            )
        if status != _SUCCESS:
            raise DriverError(f"a call of the NVIDIA driver failed: {name} gives error {status} of CUDA")


def facts() -> DeviceFacts | None:
    """The first GPU; None without a driver."""
    try:
        driver = Driver()
        return DeviceFacts(driver.name(), _driver_version(driver), driver.kind())
    except DriverError:
        return None


def _driver_version(driver: Driver) -> str:
    """Version of the driver: "NVIDIA 550.54.14", or as CUDA tells it, in a container without /sys: "CUDA 12.4"."""
    try:
        return f"NVIDIA {DRIVER_VERSION.read_text().strip()}"
    except OSError:
        return f"CUDA {_dotted(driver.version())}"


def missing() -> str | None:
    """Missing part of the CUDA provider on this machine, in one line with the remedy; None if complete.

    Loads NVIDIA's libraries, since the libraries of its wheels lie outside the loader's path.
    """
    try:
        driver = Driver()
        newest, capability = driver.version(), driver.capability()
    except DriverError as error:
        return str(error)
    built_for = _cuda_of_wheel()
    if newest[0] < built_for[0]:  # within a major version, newer libraries run on older drivers
        return (
            f"the NVIDIA driver is too old: it runs CUDA {_dotted(newest)}, and the onnxruntime wheel was built for "
            f"{_dotted(built_for)}; update the driver{cuda_lines.remedy(newest, capability, ', or: ')}"
        )
    line = cuda_lines.LINES[built_for[0]]
    if not line.runs_on(capability):
        return (
            f"the onnxruntime wheel has no code for the GPU: it has compute capability {_dotted(capability)}, and the "
            f"wheel code for {', '.join(map(_dotted, line.kernels))}{cuda_lines.remedy(newest, capability)}"
        )
    _preload()
    for name, package in line.libraries.items():
        try:
            ctypes.CDLL(name)
        except OSError as error:
            return (
                f"{package} for CUDA {built_for[0]} is missing ({error}): install it, or its wheels: "
                f"pip install '{WHEELS}'"
            )
    if capability < TURING and (version := _cudnn_version()) >= CUDNN_FOR_TURING:
        return (
            f"the GPU is too old for this cuDNN ({version}): it has compute capability "
            f"{_dotted(capability)}; install an older one: pip install 'nvidia-cudnn-cu12<9.11'"
        )
    return None


def _preload() -> None:
    """Load NVIDIA's libraries by ONNX Runtime: from NVIDIA's wheels, or else from the loader's path.

    ONNX Runtime prints failures instead of raising them. They go to the log at level debug, and not to standard output.
    """
    # The redirection affects all threads: call this only at the start of the process, before other threads print.
    with redirect_stdout(io.StringIO()) as printed:
        onnxruntime.preload_dlls()
    for line in printed.getvalue().splitlines():
        log.debug("ONNX Runtime: %s", line)


def _cudnn_version() -> int:
    """Version of the loaded cuDNN: 91002 for 9.10.2 (cudnn_version.h)."""
    version = ctypes.CDLL(CUDNN).cudnnGetVersion
    version.restype = ctypes.c_size_t
    return int(version())


def _cuda_of_wheel() -> tuple[int, int]:
    major, minor = onnxruntime.cuda_version.split(".")[:2]
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
