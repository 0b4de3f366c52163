"""Rules of deploy/nginx before stub replicas: which request another replica gets, and which not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.processes.nginx import NGINX
from service.settings import Settings
from tests.calling import Caller
from tests.faults.stub_replicas import OK, RULES, Behaviour, die, say, stubs
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx(8) is not installed")

MAXIMUM = Settings.model_fields["maximum_upload"].default
"""Largest body in bytes that the service accepts."""
PATH = "//detect?a=b"
"""The app's path after an address that ends with a slash, and a query."""
RETRY = "proxy_next_upstream error timeout http_500 http_502 http_503 non_idempotent;"
PHOTO = Caller.photo(bytes(300_000))
"""Larger than nginx's buffer, so that it is a file in the folder of bodies."""


def upload_of(size: int, caller: Caller) -> tuple[bytes, bytes]:
    """Head and body of a photo at PATH, with a body of exactly this size in bytes."""
    _, empty = caller.form(PATH, Caller.photo(b""))
    head, body = caller.form(PATH, Caller.photo(bytes(size - len(empty))))
    assert len(body) == size
    return head, body


@pytest.mark.parametrize(
    "other", [die, None, say(500), say(502), say(503)], ids=["dies", "away", "500", "502", "503"]
)
def test_another_replica_answers(tmp_path: Path, other: Behaviour | None) -> None:
    """In both orders, since one of two idle replicas gets each question for the key, and the other each photo."""
    for number, replicas in enumerate([[other, OK], [OK, other]]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with stubs(replicas, folder) as found:
            replies = [found.caller.post("/detect", PHOTO) for _ in range(2)]
            assert [(reply.status, reply.body) for reply in replies] == [(200, b'{"faces": []}')] * 2
            tried = found.front.failed_attempts if other is None else sum(found.attempts) - 2
            if number == 1:
                assert tried == 2


@pytest.mark.parametrize("status", [400, 401, 412, 413, 415, 422])
def test_a_refusal_is_the_answer(tmp_path: Path, status: int) -> None:
    with stubs([say(status)] * 2, tmp_path) as found:
        reply = found.caller.post("/detect", PHOTO)
        assert (reply.status, reply.body) == (status, b'{"error": "of the replica"}')
        assert sum(found.attempts) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_the_last_refusal_arrives_in_the_replicas_words(tmp_path: Path, status: int) -> None:
    with stubs([say(status)] * 3, tmp_path) as found:
        reply = found.caller.post("/detect", PHOTO)
        assert (reply.status, reply.body) == (status, b'{"error": "of the replica"}')
        assert sum(found.attempts) == 2


@pytest.mark.parametrize("replicas", [[die] * 4, [None, None, die, die, die], [None, die, None, die, die]])
def test_a_photo_that_ends_replicas_ends_two(tmp_path: Path, replicas: Sequence[Behaviour | None]) -> None:
    with stubs(replicas, tmp_path) as found:
        for number in range(1, 7):
            reply = found.caller.post("/detect", PHOTO)
            assert (reply.status, sum(found.attempts)) == (502, 2 * number)
            assert "two replicas have died" in reply.json["error"]


@pytest.mark.parametrize(
    "replicas", [[None] * 3 + [OK], [None, die, OK], [None, None, OK, None], [None] * 4 + [die, OK]]
)
def test_replicas_that_are_away_cost_no_attempt(tmp_path: Path, replicas: Sequence[Behaviour | None]) -> None:
    """Any number of refused connections: while one replica is updated, another one may die."""
    with stubs(replicas, tmp_path) as found:
        assert [found.caller.post("/detect", PHOTO).status for _ in range(6)] == [200] * 6


def test_a_hang_up_of_the_caller_ends_the_attempt_and_begins_no_other(tmp_path: Path) -> None:
    ended = threading.Event()

    def wait(line: socket.socket) -> None:
        if line.recv(1) == b"":
            ended.set()

    with stubs([wait, wait], tmp_path) as found:
        with socket.create_connection(("127.0.0.1", found.caller.port)) as line:
            line.sendall(b"".join(found.caller.form("/detect", PHOTO)))
            eventually("a replica has the photo", lambda: sum(found.attempts))
        assert ended.wait(PATIENCE)
        assert sum(found.attempts) == 1


def test_without_any_replica_the_answer_is_json(tmp_path: Path) -> None:
    with stubs([None, None], tmp_path) as found:
        for reply in (found.caller.post("/detect", PHOTO), found.caller.get("/open")):
            assert reply.status == 502
            assert reply.headers["content-type"] == "application/json"
            assert "no replica answers" in reply.json["error"]


@pytest.mark.parametrize("planted", ["proxy_next_upstream off;", RETRY.replace(" non_idempotent", "")])
def test_without_the_rule_photos_are_lost(tmp_path: Path, planted: str) -> None:
    """Shows that `test_another_replica_answers` can fail; the photo is tried again at `@any_replica` alone."""
    rules = RULES.replace(RETRY, planted).replace("error_page 502 504 = @any_replica;", "")
    assert RULES.count(RETRY) == 1
    with stubs([OK, die], tmp_path, rules=rules) as found:
        assert 502 in {found.caller.post("/detect", PHOTO).status for _ in range(4)}


def test_a_wrong_key_is_refused_before_the_body(tmp_path: Path) -> None:
    """Otherwise a caller without a key could fill the folder of bodies."""
    with stubs([OK, OK], tmp_path, key=say(401)) as found:
        caller = Caller(found.caller.port, expect_above=1000)
        head, _ = caller.form("/detect", PHOTO)
        reply = caller.exchange(head, b"", wait_for_100=True)
        assert (reply.status, reply.headers["content-type"]) == (401, "application/json")
        assert "x-api-key" in reply.json["error"]
        assert sum(found.attempts) == 0


@pytest.mark.parametrize("key", [say(503), die])
def test_a_key_that_cannot_be_checked_now_is_left_to_the_replica(tmp_path: Path, key: Behaviour) -> None:
    """While replicas load, `/open` answers 503, and photos wait in them."""
    with stubs([OK, OK], tmp_path, key=key) as found:
        assert found.caller.post("/detect", PHOTO).status == 200
        assert sum(found.attempts) == 1
        assert max(found.lengths[:-1], default=0) == 0, "the question for the key has no body"


def test_photos_reach_a_replica_unchanged_over_a_connection_each(tmp_path: Path) -> None:
    with stubs([OK], tmp_path) as found:
        head, body = upload_of(MAXIMUM, found.caller)
        assert found.caller.exchange(head, body, wait_for_100=True).status == 200
        assert found.lengths[-1] == len(body)
        ((sent,),) = found.requests
        first, *fields = sent.split(b"\n")
        assert first == b"POST " + PATH.encode() + b" HTTP/1.1"
        assert {b"Connection: close", b"X-Forwarded-For: 127.0.0.1", found.caller.key_header} <= set(fields)


def test_refusals_of_nginx_are_json(tmp_path: Path) -> None:
    with stubs([OK], tmp_path) as found:
        head, _ = upload_of(MAXIMUM + 1, found.caller)
        replies = {
            413: found.caller.exchange(head, b"", wait_for_100=True),
            404: found.caller.get("/status"),
        }
        for status, reply in replies.items():
            assert (reply.status, reply.headers["content-type"]) == (status, "application/json")
            assert reply.json["error"]
        for path in ("/", "/events", "/docs", "/metrics", "/info", "/key", "/error-of-nginx"):
            assert found.caller.get(path).status == 404
        assert [found.caller.get(path).status for path in ("/welcome", "/health", "/ready", "//open")] == [
            200
        ] * 4


def test_a_body_without_room_is_an_error_in_json(tmp_path: Path) -> None:
    with stubs([OK], tmp_path) as found:
        found.front.bodies.rmdir()
        reply = found.caller.post("/detect", PHOTO)
        found.front.bodies.mkdir()
        assert (reply.status, reply.headers["content-type"]) == (500, "application/json")
        assert "tmpfs" in reply.json["error"]
