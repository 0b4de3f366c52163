"""Open pages beside photos, on a service of model 3."""

import time

import httpx
import pytest

from benchmarks.studies import open_pages
from tests.unit.benchmarks.conftest import Upload
from tests.waiting import eventually


def _in_flight(service: httpx.Client) -> float:
    lines = service.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("face_requests_in_flight "))


def test_browsers_hold_a_stream_each_until_the_end(service: httpx.Client) -> None:
    port = service.base_url.port
    assert port is not None
    with open_pages.browsers(port, 3):
        eventually("three streams and the scrape", lambda: _in_flight(service) == 4)
    eventually("the scrape alone", lambda: _in_flight(service) == 1)


def test_a_closed_stream_is_an_error(service: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    port = service.base_url.port
    assert port is not None
    monkeypatch.setattr(
        open_pages, "STREAM", b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )

    def beside() -> None:
        with open_pages.browsers(port, 1):
            time.sleep(0.5)  # the answer is read

    with pytest.raises(ConnectionError, match="has closed a stream"):
        beside()


def test_the_rate_is_of_answered_photos_only(service: httpx.Client, upload: Upload) -> None:
    assert open_pages.rate(service, [upload(0.05)], photos=3, callers=2) > 0
    with pytest.raises(httpx.HTTPStatusError):
        open_pages.rate(service, [b"no photo"], photos=1, callers=1)
