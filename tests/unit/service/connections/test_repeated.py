import logging
import time

import pytest

from service.connections.repeated import PERIOD, Repeated


def test_one_line_a_period_with_the_number_of_times(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    warnings = Repeated(logging.getLogger("service.test"))
    for number in range(40_000):
        warnings.warning("number %d", number)
    now += PERIOD
    warnings.warning("number %d", -1)
    assert [record.getMessage() for record in caplog.records] == [
        "number 0 (times since the last such line: 1)",
        "number -1 (times since the last such line: 40000)",
    ]
