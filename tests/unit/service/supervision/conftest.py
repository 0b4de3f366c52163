from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.supervision import supervisor


@pytest.fixture
def no_descriptor_leaks() -> Iterator[None]:
    def count() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    yield
    assert count() == before


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
