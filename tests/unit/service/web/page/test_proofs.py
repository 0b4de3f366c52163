"""Comparisons with a reference, in words."""

from pathlib import Path
from typing import Any

import pytest

from model_store.catalog import load_catalog
from model_store.models import CNN_DETECTOR, MODELS
from model_store.store import WeightStatus, WeightStore
from service.settings import Settings
from service.web.page import proofs
from service.web.page.stages import NOT_SHOWN
from tests.unit.service.web.page.test_stages import report

TRIAL = {"time_ratio": 0.47, "largest_error": 0.1071, "kept": True, "file": "/private/a.json"}
SCAN: dict[str, Any] = {
    "photos": 4000,
    "crowded": 0,
    "deviating": 0,
    "checked": 4,
    "scores": 9,
    "rescored": 1,
    "largest_error": 0.1,
    "stopped": None,
}


def shown(scan_stopped: str | None = None, **values: Any) -> list[tuple[bool, str]]:
    found = proofs.of_stages({"cnn_detections": report(**values)}, scan_stopped)
    return [(proof.passed, proof.sentence) for proof in found]


def test_the_trial_of_the_scan_has_its_figures() -> None:
    ((passed, sentence),) = shown(precision="int8 scan", trial=TRIAL)
    assert passed
    assert "differed by at most 0.107. It takes 47% of the time, and is used;" in sentence
    ((passed, sentence),) = shown(trial={**TRIAL, "time_ratio": 0.9})
    assert passed
    assert "It takes 90% of the time, and saves too little time here, and is not used;" in sentence
    assert "private" not in sentence


def test_checked_photos_are_counted() -> None:
    ((passed, sentence),) = shown(scan=SCAN)
    assert passed
    assert "Of 4,000 photos" in sentence
    assert "4 were computed in float32 as well" in sentence
    assert shown(scan={**SCAN, "checked": 0}) == []


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("the scan in int8 differs by 0.9", "the scan in int8 differs by 0.9."),
        ("/private is missing", NOT_SHOWN),
    ],
)
def test_a_refused_or_stopped_scan_has_its_reason_without_a_path(reason: str, part: str) -> None:
    for ((passed, sentence),) in (shown(scan_refused=reason), shown(scan_stopped=reason)):
        assert not passed
        assert part in sentence
        assert "private" not in sentence


@pytest.mark.parametrize(("difference", "passed"), [(2.5e-7, True), (0.2, False)])
def test_a_device_is_compared_with_the_cpu(difference: float, passed: bool) -> None:
    check = {"compared": "the confidence of a face", "largest_difference": difference, "allowed": 0.01}
    found = shown(provider="CUDAExecutionProvider", device="NVIDIA RTX 3060", device_check=check)
    assert found == [
        (
            passed,
            "At the start, NVIDIA RTX 3060 was compared with the CPU on a test picture: the confidence of a face "
            f"differed by at most {difference:.2g} (0.01 allowed).",
        )
    ]


def test_the_conversion_was_compared_with_dlib(store: Path) -> None:
    settings = Settings.model_validate({"FACE_STORE": store})
    compared = [proof for proof in proofs.of_conversion(settings, MODELS[4]) if proof.passed]
    found = [proof.sentence for proof in compared]
    assert [
        "CNN face detector" in found[0],
        "landmark predictor" in found[1],
        "descriptor network" in found[2],
    ] == [True] * 3
    assert all("was compared with" in sentence and "dlib" in sentence for sentence in found[:3])
    assert len(found) == 4
    assert len(proofs.of_conversion(settings, MODELS[3])) == 3
    assert proofs.of_conversion(Settings.model_validate({"FACE_ENGINE": "dlib"}), MODELS[4]) == []


def test_weights_that_are_not_those_of_the_app_are_named(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings.model_validate({"FACE_STORE": store})
    detector = load_catalog().weight(CNN_DETECTOR)
    for variant in detector.variants:
        status = WeightStatus(detector, "verified", variant.sha256, variant.origin, variant.caution)
        monkeypatch.setattr(WeightStore, "status", lambda *_, status=status: [status])
        named = [proof.sentence for proof in proofs.of_conversion(settings, MODELS[4]) if not proof.passed]
        assert len(named) == (variant is not detector.variants[0])
        assert all("persons may split" in sentence for sentence in named)


def test_a_store_without_graphs_has_no_comparison(tmp_path: Path) -> None:
    settings = Settings.model_validate({"FACE_STORE": tmp_path})
    assert proofs.of_conversion(settings, MODELS[4]) == [proofs.COMPILED]
