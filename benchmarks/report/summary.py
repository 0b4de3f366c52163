"""Summary of a run on the terminal, and the load of the machine in words."""

from collections.abc import Iterator

from benchmarks.harness import wording
from benchmarks.harness.results import Result
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
    """Compared photos, a line per gate and per speed ratio, load and time of the run, and the overall verdict."""
    gates = [(one.status, one.gate, one.says) for one in result.verdicts]
    ratios = [
        (wording.title(figure.key), f"{wording.spread(figure)} as fast")
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


def _compared(result: Result) -> Iterator[str]:
    """Number and size of the photos whose answers were compared."""
    run, photos = result.facts.get("run", {}), result.facts.get("corpus", {}).get("photos", "?")
    compared = {
        figure.key.model: figure.value
        for figure in result.find(section="parity", metric="photos", stage="")
        if figure.key.model is not None
    }
    if compared:
        models = (
            f"model{'s' if compared.keys() - {min(compared)} else ''} {', '.join(map(str, sorted(compared)))}"
        )
        yield (
            f"Compared with {run.get('baseline', 'the baseline')}: {max(compared.values()):.0f} of {photos} photos, at "
            f"most {run.get('largest photo, MP', '?')} megapixels each (larger ones scaled down), {models}."
        )


def _circumstances(result: Result) -> Iterator[str]:
    """Duration, steps that were left out, and load."""
    run = result.facts.get("run", {})
    limit = f" (limit: {run['time limit, s']:g} s with the report)" if "time limit, s" in run else ""
    yield f"Measured in {result.seconds:.0f} s{limit}."
    if (left_out := run.get("left out for lack of time", "nothing")) != "nothing":
        yield f"Left out for lack of time, at least in part: {left_out}."
    yield from filter(None, (load(result), f"WARNING: {warning(result)}" if warning(result) else ""))


def load(result: Result) -> str:
    """Load before and during the run in one line; empty for a result without these facts."""
    facts = result.facts.get("load", {})
    if not facts:
        return ""
    average = facts["load average before (1, 5, 15 min)"]
    return (
        f"Load: of {facts['processors']} processors, other processes kept {_busy(result, 'before')} busy before the "
        f"run and {_busy(result, 'during')} during it. Load average before: {average} (1, 5, 15 min)."
    )


def warning(result: Result) -> str:
    """Warning in one line; empty if the machine was idle, or if the result does not have these facts."""
    facts = result.facts.get("load", {})
    most = max((_taken(result, when) for when in ("before", "during")), default=0.0) if facts else 0.0
    if most <= IDLE * float(facts.get("processors", 1)):
        return ""
    return (
        "The machine was not idle: speeds are lower and scatter more than on an idle machine. "
        "Repeat the run when the other processes have ended."
    )


def _busy(result: Result, when: str) -> str:
    """Processors busy with others, and those withheld by the hypervisor, if any."""
    facts = result.facts["load"]
    withheld = facts[f"withheld by the hypervisor, {when}"]
    stolen = f" (and the hypervisor withheld {withheld})" if withheld else ""
    return f"{facts[f'busy with other processes, {when}']}{stolen}"


def _taken(result: Result, when: str) -> float:
    facts = result.facts["load"]
    return float(facts[f"busy with other processes, {when}"]) + float(
        facts[f"withheld by the hypervisor, {when}"]
    )
