"""Page of a check, gpu-check.html: one file without scripts, with the style of the benchmark report."""

from collections.abc import Iterable, Iterator, Sequence

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.schema import GpuCheck, ProviderRecord, Scan, Speed, spread
from benchmarks.harness import wording
from benchmarks.report.page import TEMPLATES
from benchmarks.report.tables import Table, TableRow
from benchmarks.report.verdict import Banner, DisplayStatus

STATUSES: dict[str, DisplayStatus] = {
    "held": "green",
    "differs": "red",
    "failed": "red",
    "not used": "missing",
    "not compared": "missing",
}
"""Display status of a provider's verdict."""
NONE = "–"


def page(check: GpuCheck) -> str:
    """Render one self-contained HTML page. Raises ValueError if `made` is not an ISO 8601 time."""
    return TEMPLATES.get_template("gpu-check.html.jinja").render(
        check=check,
        made=wording.moment(check.made),
        banner=_banner(check),
        providers=[
            (record, found, STATUSES[found], _lines(record))
            for record in check.providers
            for found in [verdicts.verdict(record)]
        ],
        tables=[table for table in (_starts(check), *_tables(check)) if table.rows],
    )


def _banner(check: GpuCheck) -> Banner:
    by_verdict: dict[str, list[str]] = {}
    for record in check.providers:
        by_verdict.setdefault(verdicts.verdict(record), []).append(record.name)
    reason = "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in by_verdict.items())
    status = {0: "green", verdicts.DIFFERS: "red"}.get(verdicts.exit_status(check), "abstains")
    headlines = {"green": "All held", "red": "A provider differs", "abstains": "Not all was measured"}
    display: DisplayStatus = "green" if status == "green" else "red" if status == "red" else "abstains"
    return Banner(display, headlines[status], f"{reason}.")


def _lines(record: ProviderRecord) -> list[str]:
    """Statements on a provider, faults first."""
    lines = [*verdicts.faults(record)]
    lines += [line for line in (record.failure, record.unused) if line]
    if record.kind == "software":
        lines.append("a software adapter: the CPU computes, and the figures say nothing about a device")
    proof = record.proof
    if proof is not None:
        told = (
            ("driver", proof.driver),
            ("score differs by", _small(proof.score_difference)),
            ("descriptor differs by", _small(proof.descriptor_difference)),
            ("time divided by the CPU's", _small(proof.time_ratio)),
        )
        lines.append("proof at the start: " + ", ".join(f"{name} {value}" for name, value in told if value))
    if record.scan is not None:
        lines.append(_scan(record.scan))
    return lines


def _scan(scan: Scan) -> str:
    if scan.refused is not None:
        return f"mixed precision: {scan.precision}, since the scan was refused: {scan.refused}"
    told = (
        ("time divided by float32's", _small(scan.time_ratio)),
        ("score differs by", _small(scan.largest_error)),
    )
    return ", ".join(
        [
            f"mixed precision: {scan.precision}",
            *(f"{name} {value}" for name, value in told if value is not None),
        ]
    )


def _tables(check: GpuCheck) -> Iterator[Table]:
    yield _table(
        "Answers",
        (
            "photos",
            "faces",
            "failed",
            "faces differ",
            "landmarks differ",
            "confidence",
            "descriptor",
            "verdict",
        ),
        (
            (
                f"{record.name}, model {one.model} in {one.precision}, against {one.against}",
                (
                    *(str(count) for count in (one.photos, one.faces, one.failed)),
                    *(str(count) for count in (one.faces_differing, one.landmarks_differing)),
                    *(wording.number(one.confidence_difference), wording.number(one.descriptor_difference)),
                    "held" if verdicts.held(one) else "differs",
                ),
            )
            for record in check.providers
            for one in record.parity
        ),
    )
    yield _table(
        "Photos a second, against the CPU with default settings",
        ("rounds", "provider", "CPU", "times as fast", "failed"),
        (
            (
                f"{record.name} in {one.precision}, {one.megapixels:g} MP, {wording.counted(one.callers, 'callers')}",
                (str(len(one.rates)), *_rates(one), str(one.failed)),
            )
            for record in check.providers
            for one in record.speed
        ),
    )
    yield _table(
        "Memory after each pass, MiB",
        ("photos", "shapes", "device", "by", "trend", "whole service"),
        (
            (
                record.name,
                (
                    *(str(one.photos), str(one.shapes), _series(one.device)),
                    *(one.source, verdicts.memory_trend(one), _series(one.resident)),
                ),
            )
            for record in check.providers
            if (one := record.memory) is not None
        ),
    )
    yield _table(
        "Without enough device memory",
        ("limit, MiB", "runs on the CPU", "answers"),
        (
            (
                record.name,
                (
                    NONE if short.limit is None else f"{short.limit:.0f}",
                    str(short.on_cpu),
                    _joined(short.skipped, verdicts.difference(short.parity) if short.parity else None),
                ),
            )
            for record in check.providers
            if (short := record.short_memory) is not None
        ),
    )


def _starts(check: GpuCheck) -> Table:
    rows = []
    for record in check.providers:
        seconds = [start.seconds for start in record.starts]
        later = spread(seconds[1:])
        cells = (
            (f"{seconds[0]:.1f}", f"{later[0]:.1f} ({later[1]:.1f} to {later[2]:.1f})" if later else NONE)
            if seconds
            else (NONE, NONE)
        )
        rows.append((record.name, (record.device or NONE, record.kind or NONE, *cells)))
    return _table("Providers", ("device", "kind", "ready after, s", "later starts, s"), rows)


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, tuple[str, ...]]]) -> Table:
    return Table(title, head, tuple(TableRow(label, "", cells) for label, cells in rows))


def _rates(speed: Speed) -> tuple[str, str, str]:
    return _spread(speed.rates), _spread(speed.cpu_rates), _spread(speed.ratios, "×")


def _spread(values: Sequence[float], unit: str = "") -> str:
    """Median with the lowest and the highest round."""
    found = spread(values)
    if found is None:
        return NONE
    middle, low, high = (wording.number(value) for value in found)
    return f"{middle}{unit}" + (f" ({low} to {high})" if len(values) > 1 else "")


def _series(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.0f}" for value in values) or "unknown"


def _joined(*texts: str | None) -> str:
    return "; ".join(filter(None, texts)) or NONE


def _small(value: float | None) -> str | None:
    return None if value is None else wording.number(value)
