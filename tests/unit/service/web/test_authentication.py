"""The key of `/metrics`, over HTTP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.unit.service.conftest import KEY, OLD_KEY, client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

METRICS_KEY = "mëtrics key"
UTF_8 = METRICS_KEY.encode()


def test_metrics_need_no_key_unless_one_is_set(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        assert caller.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {b"authorization": b"Bearer " + UTF_8},
        {b"authorization": b"bearer  " + UTF_8},
        {b"x-api-key": UTF_8},
        {b"x-api-key": OLD_KEY.encode()},
        {b"authorization": b"Bearer " + KEY.encode()},
        {b"x-api-key": b"wrong", b"authorization": b"Bearer " + UTF_8},
    ],
)
def test_metrics_with_a_key(serving: Server, headers: dict[bytes, bytes]) -> None:
    with serving(FACE_METRICS_KEY=f" {METRICS_KEY}\n") as port, client(port, headers) as caller:
        assert "face_requests_total" in caller.get("/metrics").text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": UTF_8},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Basic " + UTF_8},
        {b"authorization": b"Bearer wrong"},
        {b"x-api-key": b"wrong"},
        {b"x-api-key": b"Bearer " + UTF_8},
    ],
)
def test_metrics_without_a_valid_key(
    serving: Server, headers: dict[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "service")
    with serving(FACE_METRICS_KEY=METRICS_KEY) as port, client(port, headers) as caller:
        refused = caller.get("/metrics")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.headers["content-type"] == "application/json"
    assert "FACE_METRICS_KEY" in refused.json()["error"]
    assert METRICS_KEY not in refused.text + caplog.text
    assert "WrongMetricsKey" in caplog.text


def test_the_key_of_the_metrics_is_valid_for_nothing_else(serving: Server) -> None:
    headers = {b"x-api-key": UTF_8, b"authorization": b"Bearer " + UTF_8}
    with serving(FACE_METRICS_KEY=METRICS_KEY) as port, client(port, headers) as caller:
        for path in ("/open", "/info"):
            refused = caller.get(path)
            assert refused.status_code == 401
            assert "www-authenticate" not in refused.headers
        for path in ("/health", "/welcome"):
            assert caller.get(path).status_code == 200
