"""Verdicts: bounds of parity, growing memory, exit status."""

import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.schema import GpuCheck, Memory, Parity, Proof, ProviderRecord, ShortMemory
from benchmarks.parity.comparison import CONFIDENCE_TOLERANCE, DESCRIPTOR_TOLERANCE


def test_equal_answers_hold(check: GpuCheck) -> None:
    assert [verdicts.verdict(record) for record in check.providers] == ["held", "held", "not used"]
    assert verdicts.exit_status(check) == 0


@pytest.mark.parametrize(
    "fault",
    [
        {"failed": 1},
        {"faces_differing": 1},
        {"landmarks_differing": 1},
        {"confidence_difference": 2 * CONFIDENCE_TOLERANCE},
        {"descriptor_difference": 2 * DESCRIPTOR_TOLERANCE},
    ],
    ids=str,
)
def test_each_difference_is_a_fault(
    fault: dict[str, float], card: ProviderRecord, equal: Parity, check: GpuCheck
) -> None:
    card.parity.append(equal.model_copy(update=fault))
    assert verdicts.verdict(card) == "differs"
    assert verdicts.exit_status(check) == 1


def test_the_bounds_themselves_hold(equal: Parity) -> None:
    bounds = {
        "confidence_difference": CONFIDENCE_TOLERANCE,
        "descriptor_difference": DESCRIPTOR_TOLERANCE,
    }
    assert verdicts.held(equal.model_copy(update=bounds))


def test_a_failed_proof_and_a_fallback_to_dlib_are_faults(card: ProviderRecord) -> None:
    card.proof = Proof(passed=False, reason="a descriptor differs by 1.0e-02")
    card.fallbacks = 2
    card.speed[0].failed = 3
    faults = "\n".join(verdicts.faults(card))
    assert "differs by 1.0e-02" in faults
    assert "dlib computed 2 calls" in faults
    assert "3 photos" in faults


def test_answers_without_enough_memory_have_to_be_equal(card: ProviderRecord, equal: Parity) -> None:
    card.short_memory = ShortMemory(limit=512, on_cpu=3, parity=equal)
    assert verdicts.verdict(card) == "held"
    card.short_memory = ShortMemory(
        limit=512, on_cpu=3, parity=equal.model_copy(update={"faces_differing": 1})
    )
    assert verdicts.verdict(card) == "differs"


@pytest.mark.parametrize(
    ("passes", "trend"),
    [
        ([], "unknown"),
        ([100, 200], "unknown"),
        ([100, 200, 230, 260], "flat"),
        ([100, 300, 250, 290], "flat"),
        ([100, 200, 240, 280], "growing"),
    ],
)
def test_trend_of_device_memory(passes: list[float], trend: str, card: ProviderRecord) -> None:
    memory = Memory(shapes=50, source="drm", device=passes)
    card.memory = memory
    assert verdicts.memory_trend(memory) == trend
    assert verdicts.verdict(card) == ("differs" if trend == "growing" else "held")


def test_a_part_that_could_not_run_is_status_2(check: GpuCheck, card: ProviderRecord) -> None:
    card.failure = "model 2: the service ended"
    assert verdicts.verdict(card) == "failed"
    assert verdicts.exit_status(check) == 2


def test_a_provider_without_a_comparison_has_not_held(check: GpuCheck, card: ProviderRecord) -> None:
    card.parity = []
    assert verdicts.verdict(card) == "not compared"
    assert verdicts.exit_status(check, ["webgpu"]) == 2


def test_an_interrupted_check_is_no_success(check: GpuCheck) -> None:
    check.complete = False
    assert verdicts.exit_status(check) == 2


def test_a_named_provider_has_to_be_usable(check: GpuCheck) -> None:
    assert verdicts.exit_status(check, ["webgpu"]) == 0
    assert verdicts.exit_status(check, ["cuda"]) == 2
