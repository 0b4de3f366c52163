"""Byte comparison of both sides' answers."""

from collections.abc import Sequence
from dataclasses import dataclass

Exchange = tuple[bytes, bytes]
"""Photo and body of its answer."""


@dataclass(frozen=True)
class ByteComparison:
    """Numbers of compared and of different answers."""

    photos: int
    differ: int
    """Photos whose answers alone differ between before and now."""
    moved: tuple[int, int]
    """Answers before and now that differ from the same side's answer of the photo alone. Photos that share a batch with
    other callers' photos may differ in the last digits."""
    answers: tuple[int, int]
    """Numbers of answers before and now."""

    def __str__(self) -> str:
        shares = ", ".join(
            f"{moved} of {answers} {side}"
            for side, moved, answers in zip(("before", "now"), self.moved, self.answers, strict=True)
        )
        return (
            f"answers, byte for byte: {self.photos - self.differ} of {self.photos} photos the same on both sides; "
            f"different from alone: {shares}"
        )


def compare(before: Sequence[Exchange], now: Sequence[Exchange]) -> ByteComparison:
    """Compare all answers of two sides. The first answer of each photo is that of the photo alone."""
    alone = [dict(reversed(side)) for side in (before, now)]
    both = alone[0].keys() & alone[1].keys()
    moved = [
        sum(body != first[photo] for photo, body in side)
        for side, first in zip((before, now), alone, strict=True)
    ]
    return ByteComparison(
        len(both),
        sum(alone[0][photo] != alone[1][photo] for photo in both),
        (moved[0], moved[1]),
        (len(before), len(now)),
    )
