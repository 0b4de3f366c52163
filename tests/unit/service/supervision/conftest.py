from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.supervision import supervisor


@pytest.fixture
def no_descriptor_leaks() -> Iterator[None]:
    """Fails a test that leaves more open descriptors, or fewer.

    Objects of other tests are kept from the collector, which would take 0.1 s for each count.
    """

    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    gc.freeze()
    try:
        before = count()
        yield
        gc.collect()
        assert count() == before
    finally:
        gc.unfreeze()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
