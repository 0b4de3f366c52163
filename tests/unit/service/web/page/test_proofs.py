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


DEVICE = {
    "provider": "webgpu",
    "device": "AMD Radeon 780M",
    "driver": "radv Mesa 25.0.7",
    "passed": True,
    "reason": None,
    "score_difference": 2.1e-6,
    "descriptor_difference": 2.5e-7,
    "faces_differ": False,
    "time_ratio": 0.25,
    "kept": False,
}


@pytest.mark.parametrize(
    ("given", "passed", "part"),
    [
        (
            {},
            True,
            "the same faces; at most, a score of the face detector by 2e-06 and one of the 128 numbers of a face by "
            "2e-07 differed. It takes 0.25 of the CPU's time.",
        ),
        (
            {"time_ratio": 1.3, "reason": "it takes 130% of the CPU's time"},
            True,
            "It takes 1.3 of the CPU's time, too much for it to be used: the CPU computes.",
        ),
        (
            {"passed": False, "reason": "a number differs by 0.01"},
            False,
            "AMD Radeon 780M (radv Mesa 25.0.7) failed its comparison with the CPU, and the CPU computes instead: "
            "a number differs by 0.01.",
        ),
        ({"passed": False, "reason": "/private is missing"}, False, NOT_SHOWN),
    ],
)
def test_a_device_is_compared_with_the_cpu(given: dict[str, object], passed: bool, part: str) -> None:
    ((found, sentence),) = shown(device_proof={**DEVICE, **given})
    assert found is passed
    assert part in sentence


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
