"""Table of devices seen, in docs/reference/devices.md, from the result files in `benchmarks/gpu_check/seen/`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.schema import GPUS, GpuCheck, ProviderRecord, load
from benchmarks.harness import wording
from benchmarks.processes.running import ROOT
from benchmarks.report import readme

FOLDER = Path(__file__).parent / "seen"
PAGE = ROOT / "docs" / "reference" / "devices.md"
NAME = "devices"
MARK = "<!-- made by `python -m benchmarks.gpu_check table`, {}: from here -->"
SHOWN_LOAD = ("float32", 1.2, 8)
"""Precision, megapixels and callers of the speed in the table."""
HEAD = (
    *("Device", "Kind", "`FACE_PROVIDERS`", "Driver", "Versions", "Verdict", "Descriptor differs by"),
    *("Times as fast as the CPU", "The CPU", "Memory", "Date"),
)
NONE = "None yet."


def checks(folder: Path) -> list[GpuCheck]:
    """Results of a folder, by date. Raises NoResult."""
    return sorted((load(path) for path in folder.glob("*.json")), key=lambda check: check.made)


def table(found: Sequence[GpuCheck]) -> str:
    """Markdown table: a row for each device and provider, of its newest result. Software adapters are no devices."""
    rows = {
        (str(record.device), record.name): _row(check, record)
        for check in found
        for record in check.providers
        if record.kind in GPUS and record.parity
    }
    if not rows:
        return NONE
    lines = [HEAD, ("---",) * len(HEAD), *(rows[key] for key in sorted(rows))]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replaced(text: str, found: Sequence[GpuCheck]) -> str:
    """The page with the table between its marks. Raises NoMarks."""
    return readme.replaced(text, {NAME: table(found)}, MARK)


def _row(check: GpuCheck, record: ProviderRecord) -> tuple[str, ...]:
    versions, machine = check.facts.get("versions", {}), check.facts.get("machine", {})
    cells = (
        record.device or "unknown",
        record.kind or "unknown",
        record.name,
        (record.proof.driver if record.proof else None) or "unknown",
        f"service {versions.get('service', '?')}, onnxruntime {versions.get('onnxruntime', '?')}",
        "; ".join(verdicts.faults(record)) or verdicts.verdict(record),
        wording.number(max(parity.descriptor_difference for parity in record.parity)),
        _speed(record),
        f"{machine.get('processor', '?')}, {machine.get('cores', '?')} cores",
        verdicts.memory_trend(record.memory) if record.memory else "unknown",
        check.made[:10],
    )
    return tuple(cell.replace("|", "\\|") for cell in cells)


def _speed(record: ProviderRecord) -> str:
    return next(_ratios(record), "not measured")


def _ratios(record: ProviderRecord) -> Iterator[str]:
    for speed in record.speed:
        if (speed.precision, speed.megapixels, speed.callers) == SHOWN_LOAD and speed.ratio is not None:
            yield f"{wording.number(speed.ratio)}×"
