"""Check from the command line: a real one on this machine's CPU, and on software Vulkan where there is one."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.schema import GpuCheck, load
from benchmarks.harness.results import INTERRUPTED, NOTHING_DONE
from service.recognition.ort.installed import has_wheel
from tests.paths import ROOT
from tests.software_vulkan import software_vulkan

SMALL = ("--photos", "2", "--megapixels", "0.03", "--shapes", "1", "--tiny")


def _command(out: Path, store: Path, provider: str, *more: str) -> list[str]:
    command = [sys.executable, "-m", "benchmarks.gpu_check", *SMALL, "--providers", provider]
    return [*command, "--out", str(out), "--store", str(store), *more]


def _checked(
    out: Path, store: Path, provider: str, *more: str, **environment: str
) -> "tuple[int, GpuCheck, str]":
    run = subprocess.run(
        _command(out, store, provider, *more),
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
    assert cpu.scan is not None
    assert cpu.scan.stopped is None
    assert cpu.memory is not None
    assert cpu.memory.photos >= 3
    assert len(cpu.speed) == 1
    assert check.facts["machine"].keys() >= {"processor", "cores", "kernel", "system"}
    assert check.facts["versions"].keys() >= {"service", "onnxruntime", "onnxruntime-ep-webgpu"}
    text = (tmp_path / "gpu-check.json").read_text() + (tmp_path / "gpu-check.html").read_text()
    assert str(store) not in text
    assert str(tmp_path) not in text
    assert str(ROOT) not in text


@pytest.mark.slow
def test_a_check_of_software_vulkan_is_told_and_is_no_device(
    store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    variables = software_vulkan()
    if isinstance(variables, str):
        pytest.skip(variables)
    if not has_wheel("webgpu"):
        pytest.skip("onnxruntime-ep-webgpu is not installed")
    status, check, output = _checked(tmp_path, store, "webgpu", "--models", "3", **variables)
    assert status == 0, output
    software = check.providers[-1]
    assert software.kind == "software"
    assert {parity.model for parity in software.parity} == {3}
    assert sum(parity.faces for parity in software.parity) > 0
    assert all(map(verdicts.held, software.parity))
    assert software.short_memory is not None


@pytest.mark.slow
def test_an_interrupted_check_keeps_what_it_measured(
    store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    with subprocess.Popen(
        _command(tmp_path, store, "cpu"), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stderr is not None
        assert b"FACE_PROVIDERS=cpu" in run.stderr.readline()
        time.sleep(1)  # within the first start
        run.send_signal(signal.SIGINT)
        run.communicate()
    assert run.returncode == INTERRUPTED
    assert not load(tmp_path / "gpu-check.json").complete
    assert (tmp_path / "gpu-check.html").exists()


@pytest.mark.not_quick
def test_a_service_that_does_not_start_is_told_without_folders(
    photos: dict[str, Path], tmp_path: Path
) -> None:
    status, check, output = _checked(tmp_path, tmp_path / "empty", "cpu")
    assert status == NOTHING_DONE, output
    assert check.providers[0].failure is not None
    assert check.providers[0].failure.startswith("start: ")
    assert str(tmp_path) not in (tmp_path / "gpu-check.json").read_text()


def test_an_unknown_provider_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--providers", "nosuch"])
    assert ended.value.code == NOTHING_DONE
    assert "invalid choice" in capsys.readouterr().err
