"""What can be wrong with weights; every message says what to do about it."""

from collections.abc import Mapping


class StoreError(Exception):
    """The base of all that the store raises on purpose."""


class UnknownWeightError(StoreError):
    """The catalogue has no weight of this name."""


class MissingWeightError(StoreError):
    """The store does not hold this weight."""


class CorruptWeightError(StoreError):
    """The store holds a file under this weight's name whose bytes are wrong, unverifiable or unreadable."""


class RefusedFileError(StoreError):
    """A file that was to be added is not what its name says."""


class SourceError(StoreError):
    """One source cannot give one weight; the message is the reason, without the source's name."""


class FetchError(StoreError):
    """Some weights could not be fetched: per weight, each source that was tried and its reason."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        self.failures = dict(failures)
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in self.failures.items()))
