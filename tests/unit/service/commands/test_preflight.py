"""The command `preflight` with a wheel for CUDA on a machine without a driver; other faults: tests/contract."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.running import free_port
from service.commands import preflight
from service.commands.shared.errors import CommandError
from service.recognition.ort import installed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.not_quick
def test_names_a_missing_driver(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = ctypes.CDLL

    def without_driver(name: str | None, **named: bool) -> ctypes.CDLL:
        return load("libcuda.so.none" if name == "libcuda.so.1" else name, **named)

    monkeypatch.setattr(ctypes, "CDLL", without_driver)
    monkeypatch.setattr(installed, "has_wheel", lambda _: True)
    monkeypatch.setenv("FACE_PROVIDERS", "cuda")
    monkeypatch.setenv("API_KEY_FILE", str(tmp_path / "api.key"))
    monkeypatch.setenv("PORT", str(free_port()))
    with pytest.raises(CommandError) as refused:
        preflight.run()
    line = str(refused.value)
    assert line.startswith("FACE_PROVIDERS=cuda is not possible here: there is no NVIDIA driver (")
    assert line.endswith(installed.CPU_REMEDY)
    assert "\n" not in line
