"""Table of devices seen: in step with the result files, and without software adapters."""

from pathlib import Path

import pytest

from benchmarks.gpu_check import devices_seen
from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.schema import GpuCheck, ProviderRecord
from benchmarks.harness.results import NOTHING_DONE
from benchmarks.report.readme import END

EMPTY = f"# Devices\n\n{devices_seen.MARK.format(devices_seen.NAME)}\nold\n{END}\n"


def test_the_page_is_in_step_with_the_files() -> None:
    text = devices_seen.PAGE.read_text(encoding="utf-8")
    assert devices_seen.replaced(text, devices_seen.checks(devices_seen.FOLDER)) == text


def test_a_device_is_a_row(check: GpuCheck) -> None:
    head, _, row = devices_seen.table([check]).splitlines()
    assert head.count("|") == row.count("|") == len(devices_seen.HEAD) + 1
    for cell in (
        "A Card 7",
        "discrete",
        "webgpu",
        "radv 25.1",
        "held",
        "4e-7",
        "2.5×",
        "A Processor, 4 cores",
        "flat",
    ):
        assert f"| {cell} |" in row


@pytest.mark.parametrize("kind", ["software", "cpu", None])
def test_other_hardware_is_no_device(kind: str | None, check: GpuCheck, card: ProviderRecord) -> None:
    card.kind = kind  # type: ignore[assignment]
    assert devices_seen.table([check]) == devices_seen.NONE


def test_a_fault_stands_in_the_table(check: GpuCheck, card: ProviderRecord) -> None:
    card.parity[0].faces_differing = 2
    assert "2 faces and 0 landmarks differ" in devices_seen.table([check])


def test_the_newest_result_of_a_device_counts(check: GpuCheck, tmp_path: Path) -> None:
    later = check.model_copy(deep=True, update={"made": "2027-02-01T10:00:00+00:00"})
    later.save(tmp_path / "a.json")
    check.save(tmp_path / "b.json")
    lines = devices_seen.table(devices_seen.checks(tmp_path)).splitlines()
    assert len(lines) == 3
    assert "2027-02-01" in lines[-1]


def test_the_command_writes_the_table(tmp_path: Path) -> None:
    page = tmp_path / "devices.md"
    page.write_text(EMPTY)
    assert main(["table", "--into", str(page)]) == 0
    assert devices_seen.NONE in page.read_text()
    page.write_text("# Devices\n")
    assert main(["table", "--into", str(page)]) == NOTHING_DONE
