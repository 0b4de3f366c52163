"""Choice of the device by its proof: planted devices that are wrong, lost or slow, by `auto` and by name."""

import logging
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from model_store.models import MODELS
from service.recognition.compute import code_folders
from service.recognition.contract import DESCRIPTORS_ALLOWED, SCORES_ALLOWED, Stage
from service.recognition.engines import device_proof, device_verdicts
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.ort.device import Kind
from tests.unit.service.recognition.engines import planted
from tests.unit.service.recognition.engines.planted import Change, Planted


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Planted:
    """A device that computes right in half of the CPU's time; proofs are kept in a folder of the test."""
    monkeypatch.setattr(code_folders, "folders", lambda: (tmp_path,))
    monkeypatch.setattr(device_proof, "_time_ratio", lambda device, cpu: 0.5)
    return Planted(monkeypatch)


@pytest.fixture
def opened(store: Path) -> Callable[..., Stage]:
    """Opens a recogniser of model 3, closes it, and returns the stage of the descriptors."""

    def stage(provider: str = "auto", **settings: Any) -> Stage:
        with closing(open_recognizer(MODELS[3], store, provider=provider, **settings)) as recognizer:
            return recognizer.stages()["descriptors"]

    return stage


def _is_on_device(stage: Stage) -> bool:
    return stage.device_proof is not None and stage.device_proof.reason is None


def test_auto_takes_a_device_that_is_right_and_clearly_faster(
    device: Planted, opened: Callable[..., Stage]
) -> None:
    stage = opened()
    assert _is_on_device(stage)
    assert stage.device_missing is None
    proof = stage.device_proof
    assert proof is not None
    assert (proof.provider, proof.device, proof.driver) == (planted.NAME, "Radeon Example", "radv 25")
    assert proof.passed
    assert proof.time_ratio == 0.5
    assert (proof.descriptor_difference or 0) <= DESCRIPTORS_ALLOWED
    assert not proof.kept


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (planted.off, "one of the 128 numbers of a face differs from the CPU's by 0.01 (1e-05 allowed)"),
        (planted.zeros, "zeros alone"),
        (planted.not_a_number, "infinite or NaN"),
        (planted.lost, "WebGPU device lost (1): the driver was reset"),
    ],
)
def test_auto_takes_the_cpu_in_place_of_a_wrong_device_for_a_day(
    device: Planted,
    opened: Callable[..., Stage],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    change: Change,
    reason: str,
) -> None:
    device.change = change
    stage = opened()
    proof = stage.device_proof
    assert proof is not None
    assert not proof.passed
    assert reason in (proof.reason or "")
    assert "Radeon Example (radv 25) failed its comparison with the CPU" in (stage.device_missing or "")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    sessions = device.sessions
    stage = opened()
    assert stage.device_proof is not None
    assert stage.device_proof.kept
    assert "found at an earlier start" in (stage.device_missing or "")
    assert device.sessions == sessions
    monkeypatch.setattr(device_verdicts, "FAILURE_IS_VALID", 0)
    device.change = planted.unchanged
    assert _is_on_device(opened())


def test_a_device_that_was_right_before_is_tried_again_at_the_next_start(
    device: Planted, opened: Callable[..., Stage]
) -> None:
    assert _is_on_device(opened())
    device.change = planted.lost
    assert not _is_on_device(opened())
    device.change = planted.unchanged
    assert _is_on_device(opened())


def test_a_device_without_memory_is_tried_at_each_start(
    device: Planted, opened: Callable[..., Stage]
) -> None:
    device.change = planted.full
    assert "FACE_GPU_MEMORY" in (opened().device_missing or "")
    device.change = planted.unchanged
    assert _is_on_device(opened())


def test_another_driver_is_tried_at_once(device: Planted, opened: Callable[..., Stage]) -> None:
    device.change = planted.off
    assert not _is_on_device(opened())
    device.change = planted.unchanged
    device.facts = device.facts._replace(driver="radv 26")
    assert _is_on_device(opened())


def test_a_named_device_that_is_wrong_stops_the_start_unless_the_cpu_is_allowed(
    device: Planted, opened: Callable[..., Stage], caplog: pytest.LogCaptureFixture
) -> None:
    device.change = planted.off
    for _ in range(2):  # an earlier failure does not refuse a named device: it is tried again
        with pytest.raises(RecognizerError, match=r"^FACE_PROVIDERS=webgpu is not possible here: .* differs"):
            opened(planted.NAME)
    assert device.sessions == 2
    stage = opened(planted.NAME, allow_fallback=True)
    assert stage.device_missing
    assert caplog.records[-1].levelno == logging.ERROR
    assert "as FACE_ALLOW_FALLBACK allows" in caplog.records[-1].getMessage()


def test_auto_takes_the_cpu_in_place_of_a_device_that_saves_no_time_and_a_name_takes_it(
    device: Planted,
    opened: Callable[..., Stage],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(device_proof, "_time_ratio", lambda device, cpu: 0.9)
    for kept in (False, True):
        stage = opened()
        proof = stage.device_proof
        assert proof is not None
        assert (proof.passed, proof.kept) == (True, kept)
        assert "0.90 of the CPU's time" in (proof.reason or "")
        assert stage.device_missing is None
    assert device.sessions == 1
    assert not any(record.levelno >= logging.WARNING for record in caplog.records)
    assert _is_on_device(opened(planted.NAME, allow_fallback=True))
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == [logging.WARNING]


def test_a_slow_device_is_measured_with_one_run(
    store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opened: Callable[..., Stage]
) -> None:
    monkeypatch.setattr(code_folders, "folders", lambda: (tmp_path,))
    Planted(monkeypatch).change = planted.slow
    stage = opened()
    assert stage.device_proof is not None
    assert (stage.device_proof.time_ratio or 0) > device_proof.FAR_SLOWER


@pytest.mark.parametrize(("expected", "level"), [(True, logging.WARNING), (False, None)])
def test_auto_warns_of_a_missing_part_if_the_machine_shows_such_a_device(
    device: Planted,
    opened: Callable[..., Stage],
    caplog: pytest.LogCaptureFixture,
    expected: bool,
    level: int | None,
) -> None:
    device.missing, device.expected = "there is no driver", expected
    stage = opened()
    assert stage.device_missing == ("there is no driver" if expected else None)
    assert [record.levelno for record in caplog.records if record.levelno > logging.INFO] == (
        [level] if level else []
    )


@pytest.mark.parametrize(
    ("kind", "time_ratio", "warnings"),
    [
        (Kind.CPU, 0.5, []),
        (
            Kind.SOFTWARE,
            None,  # not measured: each run takes many seconds
            [
                "Radeon Example (radv 25): it is a software adapter, which computes on the CPU, many times slower. "
                "It is used, as FACE_PROVIDERS names webgpu."
            ],
        ),
    ],
)
def test_a_device_that_is_no_gpu_is_taken_by_name_alone(
    device: Planted,
    opened: Callable[..., Stage],
    caplog: pytest.LogCaptureFixture,
    kind: Kind,
    time_ratio: float | None,
    warnings: list[str],
) -> None:
    device.facts = device.facts._replace(kind=kind)
    stage = opened()
    assert device.sessions == 0
    assert (stage.device_missing, stage.device_proof) == (None, None)
    stage = opened(planted.NAME)
    assert _is_on_device(stage)
    assert stage.device_proof is not None
    assert stage.device_proof.time_ratio == time_ratio
    assert caplog.messages == warnings


def test_a_quarantine_skips_every_device(device: Planted, opened: Callable[..., Stage]) -> None:
    assert opened(device_quarantine="it was lost twice").device_missing == "it was lost twice"
    assert device.sessions == 0


def test_tells_of_each_step_that_may_end_the_process(device: Planted, opened: Callable[..., Stage]) -> None:
    told: list[tuple[str, str | None]] = []
    opened(device_tried=lambda *names: told.append(names))
    assert told == [(planted.NAME, None), (planted.NAME, "Radeon Example")]
    device.change, told[:] = planted.off, []
    device.facts = device.facts._replace(driver="radv 26")
    opened(device_tried=lambda *names: told.append(names))
    assert told[-1] == ("cpu", None)


def test_the_scores_of_a_detector_are_compared(
    device: Planted, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def only_scores_off(values: Any) -> Any:
        return values + 2 * SCORES_ALLOWED if values.ndim == 4 and values.shape[1] == 1 else values

    device.change = only_scores_off
    with closing(open_recognizer(MODELS[1], store)) as recognizer:
        proof = recognizer.stages()["descriptors"].device_proof
    assert proof is not None
    assert not proof.passed
    assert proof.score_difference == pytest.approx(2 * SCORES_ALLOWED, rel=0.2)
    assert "a score of the face detector differs" in (proof.reason or "")
