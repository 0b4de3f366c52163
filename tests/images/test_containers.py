"""Containers on this machine's own tree, which takes no building."""

import time
from pathlib import Path

import pytest

from tests.images import debian
from tests.images.containers import Container


def test_a_closed_container_leaves_nothing_running() -> None:
    if reason := debian.wanting():
        pytest.skip(reason)
    container = Container(debian.TRIAL, {}, {})
    while debian.UP not in container.lines and container.running:
        time.sleep(0.01)
    inside = Path(f"/proc/{container.first}")
    container.close()
    assert not inside.exists()
