"""The two lines of onnxruntime-gpu wheels, for CUDA 12 and for CUDA 13: libraries, and GPUs with code."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

CUDNN = "libcudnn.so.9"

Capability = tuple[int, int]
"""Compute capability of a GPU: architecture and revision."""


class Line(NamedTuple):
    """Wheels for one major version of CUDA."""

    accelerator: str
    """Name of the lock in requirements/: ACCELERATOR of the Makefile."""
    libraries: Mapping[str, str]
    """Library that the provider needs -> NVIDIA's product with it."""
    kernels: tuple[Capability, ...]
    """Capabilities with machine code, ascending. Code runs on later revisions of its architecture, and on no other."""
    intermediate: Capability | None
    """Capability with intermediate code (PTX), which the driver compiles for each later GPU; None: there is none."""

    def runs_on(self, gpu: Capability) -> bool:
        """True if a GPU of this capability has code."""
        compiled = self.intermediate is not None and gpu >= self.intermediate
        return compiled or any(major == gpu[0] and minor <= gpu[1] for major, minor in self.kernels)


LINES: Mapping[int, Line] = MappingProxyType(
    {
        12: Line(
            accelerator="cuda",
            libraries={
                "libcudart.so.12": "the CUDA runtime",
                "libcublasLt.so.12": "cuBLAS",
                "libcublas.so.12": "cuBLAS",
                "libcufft.so.11": "cuFFT",
                "libcurand.so.10": "cuRAND",
                CUDNN: "cuDNN",
            },
            kernels=((6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)),
            intermediate=(9, 0),
        ),
        13: Line(
            accelerator="cuda13",
            libraries={
                "libcudart.so.13": "the CUDA runtime",
                "libcublasLt.so.13": "cuBLAS",
                "libcublas.so.13": "cuBLAS",
                "libcurand.so.10": "cuRAND",
                CUDNN: "cuDNN",  # loaded by the provider itself
            },
            kernels=((7, 5), (8, 0), (8, 6), (8, 9), (9, 0), (12, 0)),
            intermediate=None,
        ),
    }
)
"""By the major version of CUDA. Libraries (`readelf -d`) and code (the fatbins) are those of the provider's file in
onnxruntime-gpu 1.26.0 and 1.31.1."""


def remedy(driver: tuple[int, int], gpu: Capability, joint: str = ": ") -> str:
    """The command for the wheel of a line with code for this GPU and driver, after `joint`; empty if there is none.

    `driver`: the newest CUDA version of the driver. Within a major version, newer libraries run on older drivers.
    """
    fitting = (line for major, line in LINES.items() if line.runs_on(gpu) and major <= driver[0])
    if (line := next(fitting, None)) is None:
        return ""
    return (
        f"{joint}`ACCELERATOR={line.accelerator} make serve` (with Compose, CUDA_LINE={line.accelerator} and a new "
        "image) installs the wheel for it"
    )
