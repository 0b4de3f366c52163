"""Traces of a running service with real stages, in a real collector."""

import pytest

from benchmarks.processes.running import free_port
from tests.calling import Caller
from tests.collector import attributes, collecting
from tests.services import StartService

pytestmark = pytest.mark.own_server  # the exit status, and the address in the log

STAGES = ["decode", "cnn_detections", "landmarks", "chips", "descriptors", "hog_confirms"]


def test_a_photo_has_a_span_of_each_stage(start_service: StartService, portrait: bytes) -> None:
    with collecting() as receiver:
        service = start_service(FACE_TRACES=receiver.address, FACE_MODEL="4")
        service.wait_until_ready()
        caller = Caller(service.port)
        assert caller.post("/detect", caller.photo(portrait)).json["faces-count"] == 1
        (server,) = receiver.wait_for("POST /detect")
        spans = [span for span in receiver.spans if span.parent_span_id == server.span_id]
        assert service.stop() == 0
    assert [span.name for span in spans] == ["upload", "wait", *STAGES]
    assert attributes(server)["face.faces"] == 1
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    assert spans[0].start_time_unix_nano >= server.start_time_unix_nano
    assert spans[-1].end_time_unix_nano <= server.end_time_unix_nano
    assert "ready: http://" in service.log


def test_a_service_without_its_collector_answers_and_ends(
    start_service: StartService, portrait: bytes
) -> None:
    service = start_service(FACE_TRACES=f"http://127.0.0.1:{free_port()}", FACE_MODEL="3")
    service.wait_until_ready()
    caller = Caller(service.port)
    for _ in range(3):
        assert caller.post("/detect", caller.photo(portrait)).status == 200
    service.wait_for_log("the collector of FACE_TRACES does not take spans, and they are lost")
    assert service.stop() == 0
    assert service.log.count("FACE_TRACES") == 1
    assert "Traceback" not in service.log
