"""Processors that QEMU emulates for a single process, and what such a process is given of this machine.

QEMU 7.2 (Debian 12) is the first with AVX2, and has no AVX-512 at all.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.conftest import ROOT

_V2 = "flags : fpu cx8 cmov mmx fxsr sse sse2 syscall lm pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"


@dataclass(frozen=True)
class Processor:
    """One that QEMU knows.

    Args:
        machine: as `uname` and QEMU call its kind.
        cpu: as QEMU calls this one.
        cpuinfo: the lines of /proc/cpuinfo that say what it can do.
        has: features that LLVM has to see, which asks the processor itself where that is an x86-64.
        lacks: features that it must not see.
    """

    machine: str
    cpu: str
    cpuinfo: str
    has: frozenset[str]
    lacks: frozenset[str] = frozenset()

    @property
    def emulator(self) -> str:
        """QEMU as one file without libraries: those it would look up belong to the other processor."""
        return f"qemu-{self.machine}-static"


PROCESSORS: Mapping[str, Processor] = MappingProxyType(
    {
        "avx2": Processor(
            "x86_64",
            "Haswell",
            f"{_V2} avx f16c fma bmi1 avx2 bmi2",
            frozenset({"avx2", "fma"}),
            frozenset({"avx512f"}),
        ),
        "without avx": Processor(
            "x86_64", "Nehalem", _V2, frozenset({"sse4.2"}), frozenset({"avx", "avx2", "fma", "avx512f"})
        ),
        # A Raspberry Pi 4's.
        "arm64": Processor(
            "aarch64",
            "cortex-a72",
            "Features : fp asimd evtstrm crc32 cpuid\nCPU implementer : 0x41\nCPU architecture : 8\n"
            "CPU variant : 0x0\nCPU part : 0xd08\nCPU revision : 3",
            frozenset({"neon"}),
        ),
    }
)


@dataclass(frozen=True)
class Machine:
    """A processor, a Python for it, and a folder of files that a process sees in the place of this machine's."""

    processor: Processor
    files: Path
    python: Path
    packages: Path | None = None
    """Where the Python's packages are, if not beside it."""

    def describe_processor(self) -> None:
        """Let /proc/cpuinfo speak of the emulated processor: QEMU 7.2 shows this machine's.

        `service.processor` judges by it, and ONNX Runtime for arm64 crashes on one of x86-64.
        """
        file = self.files / "proc" / "cpuinfo"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"processor : 0\nmodel name : {self.processor.cpu}\n{self.processor.cpuinfo}\n\n")

    def run(self, *arguments: str | Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs its Python in the project's folder, where nothing is written. An illegal instruction leaves no core."""
        packages = {"PYTHONPATH": str(self.packages)} if self.packages else {}
        return subprocess.run(
            [
                *("prlimit", "--core=0"),
                *(self.processor.emulator, "-cpu", self.processor.cpu, "-L", self.files),
                *(self.python, "-s", *arguments),
            ],
            cwd=ROOT,
            env={"PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1", **packages, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def missing(tools: Iterable[str]) -> str | None:
    """Which of these are not installed, in words; None where all are."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
