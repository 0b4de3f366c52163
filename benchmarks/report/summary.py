"""Summary of a run on the terminal, and the load of the machine in words."""

from collections.abc import Iterator

from benchmarks.harness import facts, wording
from benchmarks.harness.results import Figure, Result
from benchmarks.harness.text_table import text_table
from benchmarks.report import verdict

STATUSES = "green: within the bound. red: beyond it. abstains: no verdict, for the reason in its line."
SPREAD = "±: 95 % of further rounds are expected within this distance of the median."
SIDES = (
    "library: this service's recognition, called directly. service: the same over HTTP. dlib: one process of dlib. "
    "upstream: two\nprocesses of dlib, as the upstream service runs them."
)
IDLE = 0.05
"""Share of the processors that others may keep busy on an idle machine, for example system services."""


def summary(result: Result) -> str:
    """Compared photos, a line per gate and per speed ratio (with its rate), load, time of the run, and the verdict."""
    gates = [(one.status, one.gate, one.says) for one in result.verdicts]
    ratios = [
        (wording.title(figure.key), f"{wording.spread(figure)} as fast", _rate(result, figure))
        for figure in sorted(
            result.find(metric="times as fast"), key=lambda figure: figure.key.section == "stages"
        )
    ]
    banner = verdict.banner(result)
    paragraphs = [
        "\n".join(_compared(result)),
        f"{text_table(gates)}\n{STATUSES}" if gates else "",
        f"{text_table(ratios)}\n{SPREAD}\n{SIDES}" if ratios else "",
        "\n".join(_circumstances(result)),
        f"{banner.headline}. {banner.reason}",
    ]
    return "\n\n".join(filter(None, paragraphs))


def _rate(result: Result, ratio: Figure) -> str:
    """Photos a second of this service; empty for the ratio of a stage."""
    own, _, _ = ratio.key.side.partition(" against ")
    rate = result.at(ratio.key.model_copy(update={"metric": "photos per second", "side": own}))
    return f"{wording.spread(rate)} photos a second" if rate is not None else ""


def _compared(result: Result) -> Iterator[str]:
    """Number and size of the photos whose answers were compared."""
    run, photos = result.facts.get("run", {}), result.facts.get("corpus", {}).get(facts.PHOTOS, "?")
    compared = {
        figure.key.model: figure.value
        for figure in result.find(section="parity", metric="photos", stage="")
        if figure.key.model is not None
    }
    if compared:
        models = f"model{'s' if len(compared) > 1 else ''} {', '.join(map(str, sorted(compared)))}"
        yield (
            f"Compared with {run.get(facts.BASELINE, 'the baseline')}: {max(compared.values()):.0f} of {photos} "
            f"photos, at most {run.get(facts.LARGEST_PHOTO, '?')} megapixels each (larger ones scaled down), {models}."
        )


def _circumstances(result: Result) -> Iterator[str]:
    """Duration, steps that were left out, and load."""
    run = result.facts.get("run", {})
    limit = f" (limit: {run[facts.TIME_LIMIT]:g} s with the report)" if facts.TIME_LIMIT in run else ""
    yield f"Measured in {result.seconds:.0f} s{limit}."
    if (left_out := run.get(facts.LEFT_OUT, facts.NOTHING)) != facts.NOTHING:
        yield f"Left out for lack of time, at least in part: {left_out}."
    if about := load(result):
        yield about
    if busy := warning(result):
        yield f"WARNING: {busy}"


def load(result: Result) -> str:
    """Load before and during the run in one line; empty for a result without these facts."""
    measured = result.facts.get("load", {})
    if not measured:
        return ""
    before, during = (_busy(measured, when) for when in facts.WHEN)
    return (
        f"Load: of {measured[facts.PROCESSORS]} processors, other processes kept {before} busy before the run and "
        f"{during} during it. Load average before: {measured[facts.LOAD_AVERAGE]} (1, 5, 15 min)."
    )


def warning(result: Result) -> str:
    """Warning in one line; empty if the machine was idle, or if the result does not have these facts."""
    measured = result.facts.get("load", {})
    if not measured:
        return ""
    if max(_taken(measured, when) for when in facts.WHEN) <= IDLE * float(measured[facts.PROCESSORS]):
        return ""
    return (
        "The machine was not idle: speeds are lower and scatter more than on an idle machine. "
        "Repeat the run when the other processes have ended."
    )


def _busy(measured: facts.Facts, when: str) -> str:
    """Processors busy with others, and those withheld by the hypervisor, if any."""
    withheld = measured[facts.at(facts.WITHHELD, when)]
    stolen = f" (and the hypervisor withheld {withheld})" if withheld else ""
    return f"{measured[facts.at(facts.BUSY, when)]}{stolen}"


def _taken(measured: facts.Facts, when: str) -> float:
    return sum(float(measured[facts.at(name, when)]) for name in (facts.BUSY, facts.WITHHELD))
