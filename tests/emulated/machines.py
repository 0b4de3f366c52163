"""Processors that QEMU emulates in user mode, and the files of an emulated process.

QEMU 7.2 (Debian 12) is the first with AVX2, and has no AVX-512 at all.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tests.paths import ROOT

_V2 = "flags : fpu cx8 cmov mmx fxsr sse sse2 syscall lm pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm"


@dataclass(frozen=True)
class Processor:
    """A processor that QEMU emulates.

    Args:
        machine: its architecture, as `uname` and QEMU name it.
        cpu: its model, as QEMU names it.
        cpuinfo: the lines of /proc/cpuinfo with its features.
        has: features that LLVM has to report; on x86-64 LLVM queries the processor itself.
        lacks: features that LLVM must not report.
    """

    machine: str
    cpu: str
    cpuinfo: str
    has: frozenset[str]
    lacks: frozenset[str] = frozenset()

    @property
    def emulator(self) -> str:
        """QEMU as a static binary, since the libraries in its folder are of the other architecture."""
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
        # Raspberry Pi 4.
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
    """A processor, a Python for it, and a folder whose files replace those of this machine."""

    processor: Processor
    files: Path
    python: Path
    packages: Path | None = None
    """Folder of the packages, if they are not in the Python's environment."""

    def describe_processor(self) -> None:
        """Writes /proc/cpuinfo of the emulated processor, since QEMU 7.2 shows this machine's.

        `service.cpu_flags` reads it, and ONNX Runtime for arm64 crashes on one of x86-64.
        """
        file = self.files / "proc" / "cpuinfo"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"processor : 0\nmodel name : {self.processor.cpu}\n{self.processor.cpuinfo}\n\n")

    def run(self, *arguments: str | Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Runs its Python in the project's folder, without bytecode files and core files."""
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
    """Text that names the missing tools, or None if all are installed."""
    absent = [tool for tool in tools if shutil.which(tool) is None]
    return f"not installed: {', '.join(absent)}" if absent else None
