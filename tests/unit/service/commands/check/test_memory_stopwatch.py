"""Memory of the process during a stage."""

import gc

import numpy as np
import pytest

from service.commands.check.memory_stopwatch import MemoryStopwatch


@pytest.mark.not_quick
def test_measures_memory_that_a_stage_allocates_and_frees() -> None:
    gc.collect()  # garbage of other tests would be freed within the stage
    stopwatch = MemoryStopwatch()

    def stage() -> int:
        return int(np.ones(400_000_000, np.uint8).sum())

    assert stopwatch.time(stage) == 400_000_000
    assert 360e6 < stopwatch.growth["stage"] < 600e6
    stopwatch.time(abs, 0)
    assert stopwatch.growth["abs"] < 50e6
    assert stopwatch.peak > 400e6
