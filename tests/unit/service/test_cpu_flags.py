import platform
from pathlib import Path

import pytest

from service import cpu_flags

V2 = " ".join(cpu_flags.X86_64_V2)


@pytest.fixture
def cpuinfo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An x86-64 machine; the test writes its /proc/cpuinfo."""
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(cpu_flags, "CPUINFO", file)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return file


def test_accepts_the_processor_of_this_machine() -> None:
    assert cpu_flags.lacking("onnx") is None
    assert cpu_flags.lacking("dlib") is None


def test_names_missing_flags_and_the_remedy_in_one_line(cpuinfo: Path) -> None:
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Common KVM processor\nflags\t\t: fpu sse sse2 pni cx16 lahf_lm\n\n"
        f"processor\t: 1\nmodel name\t: another\nflags\t\t: {V2}\n"
    )
    refusal = cpu_flags.lacking("onnx")
    assert refusal is not None
    assert "\n" not in refusal
    assert "Common KVM processor" in refusal
    assert "popcnt, ssse3, sse4_1, sse4_2" in refusal
    assert "'host'" in refusal


def test_needs_avx_for_dlib_alone(cpuinfo: Path) -> None:
    cpuinfo.write_text(f"flags\t\t: {V2}\n")
    assert cpu_flags.lacking("onnx") is None
    assert "lacks avx" in str(cpu_flags.lacking("dlib"))
    cpuinfo.write_text(f"flags\t\t: {V2} avx\n")
    assert cpu_flags.lacking("dlib") is None


def test_accepts_an_unknown_processor(cpuinfo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cpu_flags.lacking("onnx") is None
    cpuinfo.write_text("Features\t: fp asimd\n")
    assert cpu_flags.lacking("onnx") is None
    cpuinfo.write_text("flags\t: fpu\n")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert cpu_flags.lacking("onnx") is None
