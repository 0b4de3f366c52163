import logging
import time

import pytest

from service.rate_limited_warning import PERIOD, RateLimitedWarning


def test_logs_one_line_per_period_with_the_number_of_occurrences(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    warnings = RateLimitedWarning(logging.getLogger("service.test"))
    for number in range(40_000):
        warnings.warning("number %d", number)
    now += PERIOD
    warnings.warning("number %d", -1)
    assert [record.getMessage() for record in caplog.records] == [
        "number 0",
        "number -1 (40000 times since the last such line)",
    ]
