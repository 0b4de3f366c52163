"""Processor: its identity, and the instructions that the wheels need, checked before an "Illegal instruction".

The requirements were found by running each wheel, and every stage of a model, on emulated processors. numpy needs
x86-64-v2. The other wheels run wherever numpy does, except dlib's, which runs on Sandy Bridge (AVX) and not on Nehalem.
The wheels for arm64 need no optional instructions.
"""

import platform
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

CPUINFO = Path("/proc/cpuinfo")

X86_64_V2 = ("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2")
"""Linux's names of the CPU flags of this psABI level, which Intel has had since 2008 (Nehalem), and AMD since 2011
(Bulldozer)."""

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType({"onnx": X86_64_V2, "dlib": (*X86_64_V2, "avx")})
"""FACE_ENGINE to the flags of /proc/cpuinfo that it needs."""

VECTOR_INSTRUCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "avx512_vnni": "AVX-512 VNNI",
        "avx_vnni": "AVX-VNNI",
        "avx2": "AVX2",
        "asimddp": "arm64 dot product",
        "asimd": "arm64 without dot product",
    }
)
"""Linux's name of a CPU flag to the name for people, fastest first: products of int8 are what the scan needs."""

ARM64_NUMBERS = ("CPU implementer", "CPU part", "CPU revision")
"""Fields of /proc/cpuinfo that stand for the model name on arm64."""


def lacking(engine: str) -> str | None:
    """Error line with the flags that an engine needs and this processor lacks, and a remedy; None if it lacks none."""
    if platform.machine() != "x86_64":
        return None
    flags = _fields().get("flags", "").split()
    absent = [flag for flag in NEEDED[engine] if flag not in flags]
    if not flags or not absent:
        return None
    return (
        f"this processor ({processor_name()}) lacks {', '.join(absent)}, which the installed wheels "
        f"need for FACE_ENGINE={engine}. In a virtual machine, choose the CPU type 'host', or x86-64-v3"
    )


def vector_instructions() -> str | None:
    """The vector instructions that decide the speed of the networks, for people; None on an unlisted processor."""
    fields = _fields()
    flags = f"{fields.get('flags', '')} {fields.get('Features', '')}".split()
    return next((name for flag, name in VECTOR_INSTRUCTIONS.items() if flag in flags), None)


def processor_name() -> str:
    """Name of the processor, or the numbers that stand for it on arm64."""
    fields = _fields()
    numbers = ", ".join(f"{name} {fields[name]}" for name in ARM64_NUMBERS if name in fields)
    return fields.get("model name") or numbers or "unnamed"


def processor_identity() -> str:
    """Name and all flags of the processor. The same text on two machines: the same kernels of the libraries run."""
    return repr((processor_name(), *(_fields().get(name, "") for name in ("flags", "Features"))))


def _fields() -> dict[str, str]:
    """Name to value of the first processor in CPUINFO; the others are the same. Empty without that file."""
    try:
        lines = CPUINFO.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields
