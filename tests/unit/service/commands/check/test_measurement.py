"""Measurement of the stages by the command `check`, on the real weights."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from service.commands.check.measurement import measure
from service.commands.shared.errors import CommandError
from service.recognition.contract import EngineError
from service.recognition.ort.sessions import Session
from service.settings import Settings


def _settings(store: Path) -> Settings:
    return Settings.model_validate({"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu"})


def _nothing(_: str) -> None:
    pass


def test_fails_if_dlib_computes_a_network_instead(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Session, value: NDArray[np.generic]) -> None:
        raise EngineError("planted: the device went away")

    monkeypatch.setattr(Session, "run", fail)
    with pytest.raises(CommandError, match=r"^descriptors fails on CPUExecutionProvider, and dlib"):
        measure(_settings(store), None, _nothing)


def test_names_a_missing_photo(store: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "photo.jpg"
    with pytest.raises(CommandError, match=f"^{nowhere} cannot be read: No such file or directory$"):
        measure(_settings(store), nowhere, _nothing)


def test_names_each_step(store: Path) -> None:
    shown: list[str] = []
    measure(_settings(store), None, shown.append)
    assert shown == ["first photo", "run 1 of 3", "run 2 of 3", "run 3 of 3", "trying the sandbox"]
