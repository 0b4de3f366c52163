"""Check from the command line: a real one on this machine's CPU, and on software Vulkan where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.schema import GpuCheck, load
from benchmarks.harness.results import NOTHING_DONE
from service.recognition.ort.providers import PROVIDERS
from tests.paths import ROOT

SMALL = ("--photos", "2", "--megapixels", "0.03", "--shapes", "1", "--tiny")
SWIFTSHADER = Path("/usr/lib/chromium/vk_swiftshader_icd.json")
"""Software Vulkan of Debian's chromium; libvulkan.so.1 is beside it."""
VULKAN = {
    "VK_ICD_FILENAMES": str(SWIFTSHADER),
    "LD_LIBRARY_PATH": str(SWIFTSHADER.parent),
    "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1",
}


def _checked(out: Path, store: Path, provider: str, **environment: str) -> "tuple[int, GpuCheck, str]":
    command = [sys.executable, "-m", "benchmarks.gpu_check", *SMALL, "--providers", provider]
    run = subprocess.run(
        [*command, "--out", str(out), "--store", str(store)],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, load(out / "gpu-check.json"), run.stdout + run.stderr


@pytest.mark.slow
def test_a_check_of_the_cpu(store: Path, photos: dict[str, Path], tmp_path: Path) -> None:
    status, check, output = _checked(tmp_path, store, "cpu")
    assert status == 0, output
    (cpu,) = check.providers
    assert check.complete
    assert {(parity.model, parity.precision, parity.against) for parity in cpu.parity} == {
        *((model, "float32", "dlib") for model in (1, 2, 3, 4)),
        *((4, "mixed", against) for against in ("cpu", "dlib")),
    }
    assert sum(parity.faces for parity in cpu.parity) > 0
    assert cpu.memory is not None
    assert cpu.memory.photos >= 3
    assert len(cpu.speed) == 1
    text = (tmp_path / "gpu-check.json").read_text() + (tmp_path / "gpu-check.html").read_text()
    assert str(store) not in text
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


@pytest.mark.slow
def test_a_check_of_software_vulkan_is_told_and_is_no_device(
    store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    if "webgpu" not in PROVIDERS or not SWIFTSHADER.exists():
        pytest.skip("there is no software Vulkan of chromium, or no provider for it")
    status, check, output = _checked(tmp_path, store, "webgpu", **VULKAN)
    assert status == 0, output
    software = check.providers[-1]
    assert software.kind == "software"
    assert {parity.model for parity in software.parity} == {1, 2, 3, 4}
    assert all(map(verdicts.held, software.parity))
    assert software.short_memory is not None


def test_an_unknown_provider_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.gpu_check.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(["--providers", "nosuch"])
    assert ended.value.code == NOTHING_DONE
    assert "invalid choice" in capsys.readouterr().err
