"""Overall verdict on a switch, and the assessment of the three questions behind it."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness.results import Result, Verdict, together

DisplayStatus = Literal["green", "red", "abstains", "missing"]
"""Status of a verdict; missing: no gate of this run concerns the question."""

QUESTIONS = {
    "same": "Are the results the same?",
    "accurate": "Is it accurate?",
    "faster": "Is it faster?",
}
"""Questions of the gates, the most important first."""
ANSWERS: dict[str, dict[DisplayStatus, str]] = {
    "same": {"green": "The same", "red": "They differ"},
    "accurate": {"green": "As accurate", "red": "Less accurate", "abstains": "Too few faces to judge"},
    "faster": {"green": "Faster", "red": "Not fast enough"},
}
DEFAULT_ANSWERS: dict[DisplayStatus, str] = {"abstains": "Not judged", "missing": "Not measured"}
ORDER: tuple[DisplayStatus, ...] = ("red", "abstains", "green")
"""Order of display: problems first."""
NAMED_GATES = 3
"""Number of red gates named in the banner; the list below it has all of them."""


@dataclass(frozen=True)
class Assessment:
    """Question with its common status, its answer in words, and its gates, red ones first."""

    name: str
    question: str
    status: DisplayStatus
    answer: str
    gates: tuple[Verdict, ...]


@dataclass(frozen=True)
class Banner:
    """Overall verdict: status, headline and reason."""

    status: DisplayStatus
    headline: str
    reason: str


def assessments(result: Result) -> list[Assessment]:
    """Assessment of each question."""
    found = []
    for name, question in QUESTIONS.items():
        gates = sorted(
            (one for one in result.verdicts if one.question == name), key=lambda one: ORDER.index(one.status)
        )
        status: DisplayStatus = together(gates) if gates else "missing"
        answer = ANSWERS[name].get(status) or DEFAULT_ANSWERS[status]
        found.append(Assessment(name, question, status, answer, tuple(gates)))
    return found


def banner(result: Result) -> Banner:
    """Verdict on the switch: green only if the gates on equal answers are green."""
    red = [one.gate for one in result.verdicts if one.status == "red"]
    if red:
        unfinished = "" if result.complete else " The run is incomplete."
        return Banner("red", "Do not switch", f"{_gates(len(red))} red: {_listed(red)}.{unfinished}")
    if not result.complete:
        return Banner(
            "red",
            "Incomplete: do not switch",
            "The run was interrupted, or a part failed. The figures measured until then are kept. Run it again.",
        )
    statuses = {one.name: one.status for one in assessments(result)}
    if result.status != "green" or statuses["same"] != "green":
        return Banner(
            "abstains", "Not judged", "No gate is red, but this run has too little data for a decision."
        )
    green = sum(one.status == "green" for one in result.verdicts)
    open_questions = [QUESTIONS[name] for name, status in statuses.items() if status != "green"]
    reason = f"{_gates(green)} green and none is red."
    if open_questions:
        reason += f" Not judged: {' '.join(open_questions).lower()}"
    return Banner("green", "Safe to switch", reason)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED_GATES} more" if len(names) > NAMED_GATES else ""
    return ", ".join(names[:NAMED_GATES]) + more


def _gates(count: int) -> str:
    return "1 gate is" if count == 1 else f"{count} gates are"
