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


def test_identifies_the_processor_by_its_name_and_flags(cpuinfo: Path) -> None:
    cpuinfo.write_text("model name\t: Some CPU\ncpu MHz\t\t: 2000\nflags\t\t: avx2\n")
    assert cpu_flags.processor_name() == "Some CPU"
    identity = cpu_flags.processor_identity()
    cpuinfo.write_text("model name\t: Some CPU\ncpu MHz\t\t: 3000\nflags\t\t: avx2\n")
    assert cpu_flags.processor_identity() == identity
    cpuinfo.write_text("model name\t: Some CPU\ncpu MHz\t\t: 2000\nflags\t\t: avx2 avx_vnni\n")
    assert cpu_flags.processor_identity() != identity


def test_identifies_an_arm64_processor_by_its_numbers_and_features(cpuinfo: Path) -> None:
    cpuinfo.write_text("Features\t: asimd asimddp\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n")
    assert cpu_flags.processor_name() == "CPU implementer 0x41, CPU part 0xd0c"
    identity = cpu_flags.processor_identity()
    cpuinfo.write_text("Features\t: asimd asimddp i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n")
    assert cpu_flags.processor_identity() != identity
    cpuinfo.unlink()
    assert cpu_flags.processor_name() == "unnamed"
