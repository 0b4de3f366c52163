"""What a result says before anything else: is it safe to switch, and the three questions that decide it."""

from dataclasses import dataclass
from typing import Literal

from benchmarks.harness.results import Result, Verdict, together

Look = Literal["green", "red", "abstains", "missing"]
"""As a verdict's status; missing: nothing in this run asks the question."""

QUESTIONS = {
    "same": "Are the results the same?",
    "accurate": "Is it accurate?",
    "faster": "Is it faster?",
}
"""The questions of the verdicts, in the order in which they matter."""
ANSWERS: dict[str, dict[Look, str]] = {
    "same": {"green": "The same", "red": "They differ"},
    "accurate": {"green": "As accurate", "red": "Less accurate", "abstains": "Too few to judge"},
    "faster": {"green": "Faster", "red": "Not fast enough"},
}
OTHERWISE: dict[Look, str] = {"abstains": "Not judged", "missing": "Not measured"}
ORDER: tuple[Look, ...] = ("red", "abstains", "green")
"""What needs looking at comes first."""
NAMED = 3
"""Red gates that the banner names; all of them stand below it."""


@dataclass(frozen=True)
class Answer:
    """A question, what the gates answer together, and each gate, the worst first."""

    name: str
    question: str
    look: Look
    says: str
    gates: tuple[Verdict, ...]


@dataclass(frozen=True)
class Banner:
    """The verdict: its look, a few words, and a sentence."""

    look: Look
    says: str
    why: str


def answers(result: Result) -> list[Answer]:
    """One for each question."""
    found = []
    for name, question in QUESTIONS.items():
        gates = sorted(
            (one for one in result.verdicts if one.question == name), key=lambda one: ORDER.index(one.status)
        )
        look: Look = together(gates) if gates else "missing"
        says = ANSWERS[name].get(look) or OTHERWISE[look]
        found.append(Answer(name, question, look, says, tuple(gates)))
    return found


def banner(result: Result) -> Banner:
    """Whether it is safe to switch. Never yes unless the answers were judged to be the same."""
    red = [one.gate for one in result.verdicts if one.status == "red"]
    if red:
        unfinished = "" if result.complete else " The run did not come to its end."
        return Banner("red", "Do not switch", f"{_gates(len(red))} red: {_listed(red)}.{unfinished}")
    if not result.complete:
        return Banner(
            "red",
            "Not finished: do not switch on this",
            "The run was interrupted. What it had measured until then stands below; run it again.",
        )
    asked = {one.name: one.look for one in answers(result)}
    if result.status != "green" or asked["same"] != "green":
        return Banner("abstains", "Not judged", "Nothing is red, but this run is no ground to switch on.")
    green = sum(one.status == "green" for one in result.verdicts)
    open_questions = [QUESTIONS[name] for name, look in asked.items() if look != "green"]
    why = f"{_gates(green)} green and none is red."
    if open_questions:
        why += f" Not judged: {' '.join(open_questions).lower()}"
    return Banner("green", "Safe to switch", why)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _gates(count: int) -> str:
    return "1 gate is" if count == 1 else f"{count} gates are"
