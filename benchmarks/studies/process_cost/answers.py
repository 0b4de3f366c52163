"""The answers of both sides, byte for byte."""

from collections.abc import Sequence
from dataclasses import dataclass

Given = tuple[bytes, bytes]
"""A photo and the body of its answer."""


@dataclass(frozen=True)
class Comparison:
    """How many answers were compared, and how many differ."""

    photos: int
    differ: int
    """Photos that have another answer now than before, each alone."""
    moved: tuple[int, int]
    """Answers before and now that differ from the side's own one of the photo alone, among other callers' photos:
    photos that share a batch may differ in the last digits."""
    answers: tuple[int, int]
    """All answers before and now."""

    def __str__(self) -> str:
        shares = ", ".join(
            f"{moved} of {answers} {side}"
            for side, moved, answers in zip(("before", "now"), self.moved, self.answers, strict=True)
        )
        return (
            f"answers, byte for byte: {self.photos - self.differ} of {self.photos} photos the same on both sides; "
            f"other than alone: {shares}"
        )


def compare(before: Sequence[Given], now: Sequence[Given]) -> Comparison:
    """Compare all answers of two sides. Of each photo, the first answer is the one that it has alone."""
    alone = [dict(reversed(side)) for side in (before, now)]
    both = alone[0].keys() & alone[1].keys()
    moved = [
        sum(body != first[photo] for photo, body in side)
        for side, first in zip((before, now), alone, strict=True)
    ]
    return Comparison(
        len(both),
        sum(alone[0][photo] != alone[1][photo] for photo in both),
        (moved[0], moved[1]),
        (len(before), len(now)),
    )
