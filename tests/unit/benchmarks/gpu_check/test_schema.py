"""Result file: round trip, version, and what it may not contain."""

import json
from pathlib import Path

import pytest

from benchmarks.gpu_check.schema import FORMAT, GpuCheck, Proof, load
from benchmarks.harness.results import NoResult


def test_round_trip(check: GpuCheck, tmp_path: Path) -> None:
    path = tmp_path / "gpu-check.json"
    check.save(path)
    assert load(path) == check
    assert json.loads(path.read_bytes())["format"] == FORMAT


@pytest.mark.parametrize(
    "change", [{"format": FORMAT + 1}, {"host": "attic"}, {"seconds": "NaN"}, {"providers": [{}]}], ids=str
)
def test_another_version_or_field_is_refused(
    change: dict[str, object], check: GpuCheck, tmp_path: Path
) -> None:
    path = tmp_path / "gpu-check.json"
    path.write_text(json.dumps({**json.loads(check.model_dump_json()), **change}))
    with pytest.raises(NoResult):
        load(path)


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoResult, match="is not a result of this check"):
        load(tmp_path / "nothing.json")


def test_unknown_fields_of_a_proof_are_left_out() -> None:
    assert Proof.of({"passed": True, "added_later": 3}) == Proof(passed=True)


def test_ratios_are_of_the_same_round(check: GpuCheck) -> None:
    (speed,) = check.providers[1].speed
    assert speed.ratios == [2.0, 3.0]
    assert speed.ratio == 2.5
