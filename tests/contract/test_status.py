"""The state of a real service without a key, and the times of a photo's stages."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from service.web.page.status import Status
from tests.calling import KEY, read_head
from tests.contract.test_requests import FACE
from tests.services import FORMER_KEY
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.calling import Caller, Reply
    from tests.services import StartService

NAME = b"/srv/nc/private-name.jpg"
AFTER_DETECTION = {"landmarks", "chips", "descriptors"}


def timing(reply: Reply) -> dict[str, float]:
    """Milliseconds by stage."""
    return {
        name: float(duration)
        for name, duration in re.findall(r"([a-z_]+);dur=([0-9.]+)(?:, |$)", reply.headers["server-timing"])
    }


def listens(caller: Caller) -> bool:
    try:
        return caller.get("/health").status == 200
    except ConnectionRefusedError:
        return False


def test_an_answer_has_the_time_of_each_stage(caller: Caller, portrait: bytes) -> None:
    started = time.perf_counter()
    reply = caller.post("/detect", caller.photo(portrait))
    milliseconds = 1000 * (time.perf_counter() - started)
    stages = timing(reply)
    assert set(stages) == {"decode", "cnn_detections", "hog_confirms", "wait", *AFTER_DETECTION}
    assert all(duration >= 0 for duration in stages.values())
    # Beyond the stages there are the transfer, the process in between, and the JSON.
    assert 0.5 * milliseconds < sum(stages.values()) <= milliseconds
    assert "server-timing" not in caller.post("/detect", caller.photo(b"no image")).headers


def test_a_known_face_has_the_times_of_its_stages(caller: Caller, portrait: bytes) -> None:
    for stages in ({"decode", "wait", *AFTER_DETECTION}, {"wait", *AFTER_DETECTION}):  # then from held pixels
        reply = caller.post("/compute", caller.photo(portrait + b"\0" * 7), caller.face(FACE))
        assert reply.status == 200
        assert set(timing(reply)) == stages


def test_wait_is_the_time_in_the_queue(start_service: StartService, caller: Caller, portrait: bytes) -> None:
    service = start_service(FACE_MODEL="3")
    own = replace(caller, port=service.port)
    eventually("it listens", lambda: listens(own))
    with own.connect() as line:  # before the networks are warm
        head, body = own.form("/detect", own.photo(portrait))
        line.sendall(head + body)
        uploaded = time.perf_counter()
        _, headers = read_head(line.makefile("rb"))
        milliseconds = 1000 * (time.perf_counter() - uploaded)
    found = re.search(r"wait;dur=([0-9.]+)", headers["server-timing"])
    assert found is not None
    assert 0.3 * milliseconds < float(found[1]) <= milliseconds


def test_the_state_names_what_computes_and_counts_what_is_done(
    service: Service, caller: Caller, portrait: bytes
) -> None:
    anonymous = replace(caller, key_header=b"")

    def state() -> Status:
        reply = anonymous.get("/status")
        assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
        for private in (KEY, FORMER_KEY, "private-name", "/srv/nc", "models/", 'descriptor":['):
            assert private not in reply.body.decode()
        return Status.model_validate_json(reply.body)

    before = state().activity
    assert caller.post("/detect", caller.photo(portrait, name=NAME)).status == 200
    assert caller.post("/detect", caller.photo(b"no image", name=NAME)).status == 415
    eventually("two more photos", lambda: state().activity.photos_total == before.photos_total + 1)
    after = state()
    assert (after.state, after.model, after.unused_gpu) == ("ready", 4, None)
    assert [stage.name for stage in after.stages] == [
        "cnn_detections",
        "landmarks",
        "chips",
        "descriptors",
        "hog_confirms",
    ]
    assert all(re.match(r"CPU: \d+ cores?, ", stage.device) for stage in after.stages)
    # The detector of this machine may be of another training, which the page says.
    assert all(proof.passed for proof in after.proofs if not proof.sentence.startswith("The weights "))
    assert any("was compared with float32" in proof.sentence for proof in after.proofs)
    assert 100e6 < after.activity.memory.used < 3e9
    assert (after.activity.in_work, after.activity.waiting) == (0, 0)
    assert after.failures[0].reason == "The 8 bytes do not start like an image."
    assert len(after.activity.last_hour) == 60
    assert service.process.poll() is None


@pytest.mark.own_server  # another one ends the streams after STREAM_SECONDS
def test_a_service_with_open_streams_stops_at_once(start_service: StartService, caller: Caller) -> None:
    service = start_service(FACE_MODEL="3", FACE_GRACE="600")
    service.wait_until_ready()
    with ExitStack() as opened:
        streams = []
        for _ in range(5):
            line = opened.enter_context(replace(caller, port=service.port).connect())
            line.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
            streams.append(opened.enter_context(line.makefile("rb")))
            assert read_head(streams[-1])[0] == 200
        started = time.perf_counter()
        assert service.stop() == 0, service.log
        assert time.perf_counter() - started < 10
        for stream in streams:
            assert stream.read().endswith(b"0\r\n\r\n")  # the end of a chunked body: not cut off
    assert "Traceback" not in service.log
