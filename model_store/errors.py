"""Errors of the weight store; each message names the remedy."""

from collections.abc import Mapping


class StoreError(Exception):
    """Base class."""


class UnknownWeightError(StoreError):
    """The catalogue has no weight of this name."""


class MissingWeightError(StoreError):
    """The store does not hold this weight."""


class CorruptWeightError(StoreError):
    """The file in the store has a wrong or unknown hash, or cannot be read."""


class RefusedFileError(StoreError):
    """A file to be added is unreadable or does not match its name's hash."""


class SourceError(StoreError):
    """One source failed for one weight; the message is the reason, without the source's name."""


class FetchError(StoreError):
    """Some weights could not be fetched: `failures` has the reasons of all sources by weight."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in self.failures.items()))
