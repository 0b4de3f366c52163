"""Stages that fail in the ONNX engine, and that dlib computes instead."""

from contextlib import closing
from pathlib import Path
from unittest.mock import create_autospec

import numpy as np
import pytest
from numpy.typing import NDArray

from model_store.models import MODELS
from service.recognition.contract import DeviceFault, Engine, EngineError, OutOfMemory, Stage
from service.recognition.engines.with_fallback import WithFallback
from service.recognition.faces import chips
from service.recognition.faces.landmarks import Landmarks
from service.recognition.factory import open_recognizer
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Recognizer
from tests.unit.service.recognition.same_faces import assert_same_faces

Recognizers = dict[str, Recognizer]
Pictures = dict[str, NDArray[np.uint8]]


def test_failing_network_falls_back_to_dlib_and_is_counted(
    store: Path, pictures: Pictures, recognizers: Recognizers
) -> None:
    with closing(open_recognizer(MODELS[4], store)) as recognizer:
        # ONNX Runtime rejects an input of another type: the one failure without a device.
        network = recognizer.engine._network.network  # type: ignore[attr-defined]
        run, network.run = network.run, lambda chips: run(chips.astype(np.float64))
        faces = recognizer.recognize(pictures["astronaut.png"])
        assert recognizer.stages()["descriptors"].fallbacks == 1
    assert_same_faces(faces, recognizers["dlib"].recognize(pictures["astronaut.png"]))


def test_failing_landmarks_and_chips_fall_back_to_dlib_and_are_counted(
    store: Path, pictures: Pictures, recognizers: Recognizers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    with closing(open_recognizer(MODELS[3], store)) as recognizer:
        monkeypatch.setattr(Landmarks, "__call__", fail)
        monkeypatch.setattr(chips, "cut", fail)
        rectangle = Rectangle(168, 69, 263, 164)
        faces = recognizer.recognize(pictures["astronaut.png"], [rectangle])
        stages = recognizer.stages()
        assert (stages["landmarks"].fallbacks, stages["chips"].fallbacks) == (1, 1)
    assert_same_faces(faces, recognizers["dlib"].recognize(pictures["astronaut.png"], [rectangle]))


@pytest.mark.parametrize(
    ("failure", "raised"),
    [
        (MemoryError(), OutOfMemory),
        (OutOfMemory("no memory for a run"), OutOfMemory),
        (EngineError("the device went away"), EngineError),
    ],
)
def test_shortage_of_memory_is_raised_if_the_fallback_fails_too(
    failure: Exception, raised: type[Exception]
) -> None:
    first, fallback = (create_autospec(Engine, instance=True) for _ in range(2))
    first.descriptors.side_effect = failure
    fallback.descriptors.side_effect = EngineError("dlib died twice")
    with pytest.raises(EngineError, match="dlib died twice") as error:
        WithFallback(first, fallback).descriptors(np.empty((1, 150, 150, 3), np.uint8))
    assert error.type is raised


def test_a_fault_of_the_device_is_raised_and_not_computed_by_the_fallback() -> None:
    first, fallback = (create_autospec(Engine, instance=True) for _ in range(2))
    first.descriptors.side_effect = DeviceFault("the results are zeros alone")
    first.stages.return_value = {"descriptors": Stage("onnx", "test")}
    engine = WithFallback(first, fallback)
    with pytest.raises(DeviceFault, match="zeros alone"):
        engine.descriptors(np.empty((1, 150, 150, 3), np.uint8))
    fallback.descriptors.assert_not_called()
    assert engine.stages()["descriptors"].fallbacks == 0
