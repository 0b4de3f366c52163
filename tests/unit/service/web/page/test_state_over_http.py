"""`/status` and `/events` of the running application, with a recogniser that the test controls."""

from __future__ import annotations

import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from service.web.page import events
from service.web.page.current import STATUS_SECONDS
from service.web.page.events import END_SECONDS, EVERY_SECONDS, MAXIMUM_STREAMS
from service.web.page.status import Status
from tests.unit.service.conftest import KEY, PATIENCE, client
from tests.unit.service.web.test_metrics import ready
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.service.conftest import Server, SteeredRecognizer

NAME = "private-name.jpg"
FACE = '{"left":1,"right":20,"top":1,"bottom":20}'


def status_of(caller: httpx.Client) -> Status:
    """A state that is made after this call."""
    time.sleep(STATUS_SECONDS * 1.05)
    answered = caller.get("/status")
    assert answered.status_code == 200
    assert answered.headers["content-type"] == "application/json"
    assert answered.headers["cache-control"] == "no-store"
    return Status.model_validate_json(answered.content)


def events_of(lines: Iterator[str]) -> Iterator[Status]:
    for line in lines:
        if line.startswith("data: "):
            yield Status.model_validate_json(line.removeprefix("data: "))


def test_the_state_before_during_and_after_the_warm_up(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes
) -> None:
    recognizer.warming.clear()
    with serving() as port, client(port, key_header) as caller, ThreadPoolExecutor(1) as threads:
        assert caller.get("/open").status_code == 200  # the networks are loaded
        before = caller.get("/status").json()
        assert (before["state"], before["stages"], before["estimate"]) == ("warming up", [], None)
        photo = threads.submit(caller.post, "/detect", files={"file": (NAME, png)})
        eventually("a photo that waits", lambda: caller.get("/status").json()["activity"]["waiting"] == 1)
        recognizer.gate.clear()
        recognizer.warming.set()
        assert recognizer.entered.acquire(timeout=PATIENCE)
        in_work = status_of(caller).activity
        assert (in_work.waiting, in_work.in_work, in_work.photos_total) == (0, 1, 0)
        recognizer.gate.set()
        assert photo.result().status_code == 200
        after = status_of(caller)
        assert after.state == "ready"
        assert [(stage.name, stage.device) for stage in after.stages] == [
            ("cnn_detections", "test"),
            ("descriptors", "test"),
        ]
        assert after.stages[0].title == "Face detection (CNN)"
        assert (after.stages[0].precision, after.stages[0].on_cpu) == ("int8 scan", 4)
        activity = after.activity
        assert (activity.photos_total, activity.photos_today, activity.photos_last_minute) == (1, 1, 1)
        assert sum(minute.photos for minute in activity.last_hour) == 1
        assert (activity.waiting, activity.in_work, activity.failed_today) == (0, 0, 0)
        assert activity.memory.used > 10e6
        assert activity.memory.limit > 384 * 1024**2
        assert after.failures == []


def test_a_failed_start_is_a_state(serving: Server, recognizer: SteeredRecognizer) -> None:
    recognizer.warm_failure = RuntimeError("no memory")
    with serving() as port, client(port) as caller:
        eventually("failed", lambda: caller.get("/status").json()["state"] == "failed")


def _stalled(port: int, key_header: dict[bytes, bytes]) -> None:
    """An upload of which only the head arrives."""
    head = b"POST /detect HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    key = b"x-api-key: " + key_header[b"x-api-key"]
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as caller:
        caller.sendall(head + key + b"\r\nContent-Length: 10000\r\n\r\n")
        assert b" 408 " in caller.recv(65536)


def test_each_failed_photo_has_a_reason_a_repair_and_nothing_private(
    serving: Server, recognizer: SteeredRecognizer, key_header: dict[bytes, bytes], png: bytes, tmp_path: Path
) -> None:
    limits = {"FACE_MAXIMUM_UPLOAD": 20_000, "FACE_MAXIMUM_ORIGINAL_AREA": 100, "FACE_PATIENCE": 0.3}
    with serving(REQ_TIMEOUT=2, **limits) as port, client(port, key_header) as caller:
        ready(caller)

        def post(photo: bytes = png, path: str = "/detect", **more: Any) -> int:
            return caller.post(path, files={"file": (NAME, photo)}, **more).status_code

        assert post() == 200
        assert caller.post("/detect", content=b"private-body").status_code == 400
        assert post(headers={"x-api-key": "private-key"}) == 401
        _stalled(port, key_header)
        assert post(path="/compute", data={"face": FACE}) == 412
        assert post(bytes(30_000)) == 413
        assert post(b"private-content") == 415
        assert post(b"") == 415
        assert post(path="/compute", data={"face": "private-face"}) == 422
        recognizer.failures = [ZeroDivisionError("private"), ZeroDivisionError("private")]
        assert post() == 500
        recognizer.gate.clear()
        assert post() == 503
        recognizer.gate.set()
        status = status_of(caller)
    assert [failure.status for failure in status.failures] == [
        503,
        500,
        422,
        415,
        415,
        413,
        412,
        408,
        401,
        400,
    ]
    assert all(failure.reason and failure.repair for failure in status.failures)
    timed_out, unexpected, no_face, empty, unknown, *_ = status.failures
    assert (timed_out.format, timed_out.width, timed_out.height, timed_out.bytes) == ("PNG", 64, 48, len(png))
    assert "REQ_TIMEOUT" in timed_out.reason
    assert unexpected.format == "PNG"
    assert (unknown.reason, unknown.bytes, unknown.format) == (
        "The 15 bytes do not start like an image.",
        15,
        None,
    )
    assert empty.reason == "the photo has 0 bytes"
    assert no_face.reason.startswith("The field 'face' holds no valid face")
    # 9 failed, of which the one without a key is no photo of the app.
    assert (status.activity.failed_today, status.activity.photos_total) == (9, 1)
    shown = status.model_dump_json()
    assert "private" not in shown
    assert KEY not in shown
    assert str(tmp_path) not in shown


def test_events_arrive_at_once_and_again_with_what_has_changed(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with serving() as port, client(port, key_header) as caller:
        ready(caller)
        with caller.stream("GET", "/events") as stream:
            assert stream.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert "content-length" not in stream.headers
            started, lines = time.monotonic(), stream.iter_lines()
            states = events_of(lines)
            assert next(states).activity.photos_total == 0
            assert time.monotonic() - started < EVERY_SECONDS
            assert httpx.post(
                f"http://127.0.0.1:{port}/detect",
                headers=key_header,
                files={"file": (NAME, png)},
                timeout=PATIENCE,
            ).is_success
            assert next(states).activity.photos_total == 1
            next(states)
            assert 1.5 * EVERY_SECONDS < time.monotonic() - started < 10 * EVERY_SECONDS


def test_an_event_has_the_form_of_server_sent_events(serving: Server) -> None:
    with serving() as port, client(port) as caller, caller.stream("GET", "/events") as stream:
        lines = stream.iter_lines()
        event, data, end = (next(lines) for _ in range(3))
        assert (event, end) == ("event: status", "")
        assert json.loads(data.removeprefix("data: "))["model"] == 4
        head = caller.head("/events")
        assert (head.status_code, head.content) == (200, b"")


def test_a_stream_too_many_is_refused_until_another_ends(serving: Server) -> None:
    with serving() as port, ExitStack() as opened:
        callers = [opened.enter_context(client(port)) for _ in range(MAXIMUM_STREAMS + 1)]
        *streaming, further = callers
        streams = ExitStack()
        opened.enter_context(streams)
        last = ExitStack()
        for caller in streaming[:-1]:
            streams.enter_context(caller.stream("GET", "/events"))
        opened.enter_context(last).enter_context(streaming[-1].stream("GET", "/events"))
        with further.stream("GET", "/events") as refused:
            assert refused.status_code == 503
            assert list(json.loads(refused.read())) == ["error"]
        assert further.get("/status").status_code == 200
        last.close()

        def accepted() -> bool:
            with further.stream("GET", "/events") as stream:
                return stream.status_code == 200

        eventually("room for another stream", accepted, PATIENCE)


def test_all_streams_share_one_producer(serving: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVERY_SECONDS", 1.2 * STATUS_SECONDS)
    made, serialised = 0, Status.model_dump_json
    lock = threading.Lock()

    def counted(self: Status, **given: Any) -> str:
        nonlocal made
        with lock:
            made += 1
        return serialised(self, **given)

    monkeypatch.setattr(Status, "model_dump_json", counted)
    with serving() as port, ExitStack() as opened:
        streams = []
        for _ in range(10):
            caller = opened.enter_context(client(port))
            streams.append(opened.enter_context(caller.stream("GET", "/events")))
        states = [events_of(stream.iter_lines()) for stream in streams]
        for _ in range(3):
            for each in states:
                next(each)
    assert 3 <= made <= 5


def test_a_stream_ends_with_its_caller(serving: Server) -> None:
    with serving() as port, client(port) as caller:

        def in_flight() -> float:
            (line,) = (
                line
                for line in caller.get("/metrics").text.splitlines()
                if line.startswith("face_requests_in_flight ")
            )
            return float(line.split()[1])

        with client(port) as leaving, leaving.stream("GET", "/events"):
            eventually("an open stream", lambda: in_flight() == 2)  # and that of /metrics itself
        eventually("no open stream", lambda: in_flight() == 1, PATIENCE)


def test_an_open_stream_does_not_delay_the_shutdown(serving: Server) -> None:
    with ExitStack() as opened:
        with serving(FACE_GRACE=600) as port:
            caller = opened.enter_context(client(port))
            stream = opened.enter_context(caller.stream("GET", "/events"))
            lines = stream.iter_lines()
            assert next(lines) == "event: status"
            stopped = time.monotonic()
        assert time.monotonic() - stopped < 5
        assert [line for line in lines if line.startswith("event")] == []  # ended in order, not cut off


def test_an_unread_stream_does_not_delay_the_shutdown(
    serving: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events, "EVERY_SECONDS", 0.001)
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with serving(FACE_GRACE=600) as port:
            caller.connect(("127.0.0.1", port))
            caller.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(3)  # for more events than the buffers of both sockets hold
            stopped = time.monotonic()
        assert END_SECONDS < time.monotonic() - stopped < END_SECONDS + 5
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]


@pytest.mark.parametrize("path", ["/status", "/events"])
def test_the_page_can_be_off(serving: Server, path: str) -> None:
    with serving(FACE_PAGE="off") as port, client(port) as caller:
        assert caller.get(path).status_code == 404
