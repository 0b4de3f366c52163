"""Failures with the same cause together, so that a reason and its repair are read once."""

from typing import NamedTuple

from service.web.page.status import Failure


class FailureGroup(NamedTuple):
    """Failures with the same status, reason and repair."""

    status: int
    reason: str
    repair: str
    failures: list[Failure]
    """Latest first."""


def grouped(failures: list[Failure]) -> list[FailureGroup]:
    """The groups, in the order of the latest failure of each. `failures` are sorted by time, latest first."""
    groups: dict[tuple[int, str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((failure.status, failure.reason, failure.repair), []).append(failure)
    return [FailureGroup(*cause, members) for cause, members in groups.items()]
