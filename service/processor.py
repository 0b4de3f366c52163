"""What the installed wheels ask of a processor, checked before they are loaded: they end in "Illegal instruction".

Found by running each wheel, and every stage of a model, on emulated processors: numpy needs x86-64-v2, and what is
loaded here beside it runs wherever numpy does; dlib's wheel does on Sandy Bridge (AVX) and does not on Nehalem. The
wheels for arm64 ask for nothing that some lack.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

CPUINFO = Path("/proc/cpuinfo")

X86_64_V2 = ("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2")
"""As Linux names what the psABI asks of this level: Intel since 2008 (Nehalem), AMD since 2011 (Bulldozer)."""

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType({"onnx": X86_64_V2, "dlib": (*X86_64_V2, "avx")})
"""FACE_ENGINE to flags of /proc/cpuinfo."""


def lacking(engine: str) -> str | None:
    """What this machine's processor lacks to run an engine, in one line with what to do; None where it runs it."""
    if platform.machine() != "x86_64":
        return None
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:  # no such file: not for us to judge
        return None
    told: dict[str, str] = {}
    for line in lines:  # of the first processor; the others are alike
        name, _, value = line.partition(":")
        told.setdefault(name.strip(), value.strip())
    flags = told.get("flags", "").split()
    absent = [flag for flag in NEEDED[engine] if flag not in flags]
    if not flags or not absent:
        return None
    return (
        f"this processor ({told.get('model name', 'unnamed')}) lacks {', '.join(absent)}, which the installed wheels "
        f"need for FACE_ENGINE={engine}. In a virtual machine, choose the CPU type 'host', or x86-64-v3"
    )
