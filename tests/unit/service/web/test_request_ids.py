"""Request ids of callers and of the service, in answers and in the logs of both processes."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import pytest

from service.recognition.contract import EngineError
from service.web.request_ids import request_id
from tests.unit.service.conftest import client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer

RANDOM = re.compile(r"[0-9a-f]{12}")


@pytest.mark.parametrize("offered", ["a", "A-1_b.2", "4bf92f3577b34da6a3ce929d0e0e4736", "x" * 64])
def test_takes_the_id_of_the_caller(offered: str) -> None:
    assert request_id({"type": "http", "headers": [(b"x-request-id", offered.encode())]}) == offered


@pytest.mark.parametrize("offered", [b"", b"x" * 65, b"a b", b"a\n", b"\xe9", b"a/b", b'"', b"a,b"])
def test_makes_an_id_in_place_of_another_text(offered: bytes) -> None:
    made = request_id({"type": "http", "headers": [(b"x-request-id", offered)]})
    assert RANDOM.fullmatch(made)


def test_makes_a_new_id_for_each_request() -> None:
    assert request_id({"type": "http", "headers": []}) != request_id({"type": "http", "headers": []})


def test_an_id_is_in_the_answer_and_in_each_line_about_its_photo(
    serving: Server,
    recognizer: SteeredRecognizer,
    key_header: dict[bytes, bytes],
    png: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "service")
    recognizer.failures = [EngineError("the device went away"), EngineError("and again")]
    headers = {**key_header, b"x-request-id": b"from-a-proxy.7"}
    with serving() as port, client(port, headers) as caller:
        failed = caller.post("/detect", files={"file": ("a", png)})
        assert caller.get("/open").headers["x-request-id"] == "from-a-proxy.7"
    assert failed.status_code == 500
    assert failed.headers["x-request-id"] == "from-a-proxy.7"
    assert failed.json()["error"].endswith("under from-a-proxy.7")
    lines = [record.getMessage() for record in caplog.records if "from-a-proxy.7" in record.getMessage()]
    starts = [
        rf"an image of {len(png)} bytes \(PNG, 64 x 48\) of request from-a-proxy\.7 is retried alone: ",
        r"the photo of request from-a-proxy\.7 could not be computed$",
        r"request from-a-proxy\.7 failed$",
        r"POST /detect 500 \d+ ms from-a-proxy\.7",
        r"GET /open 200 \d+ ms from-a-proxy\.7",
    ]
    for line, start in zip(lines, starts, strict=True):
        assert re.match(start, line)
