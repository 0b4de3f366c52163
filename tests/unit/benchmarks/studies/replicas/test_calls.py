"""Outcome of calls in the study of replicas, the front's cost, and the samples."""

import argparse
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.processes.running import ServiceDied
from benchmarks.studies.replicas.calls import Event, Outcome, cost, equal, number_of_pairs, run, spread
from benchmarks.studies.replicas.samples import held_bytes, largest

PHOTO = b"photo"


def face(**changes: Any) -> dict[str, Any]:
    edges = {"left": 1, "top": 2, "right": 30, "bottom": 40}
    return {
        **edges,
        "landmarks": [{"x": 1, "y": 2}],
        "detection_confidence": 1.0,
        "descriptor": [0.0] * 128,
        **changes,
    }


def answer(*faces: dict[str, Any]) -> dict[str, Any]:
    return {"faces": list(faces)}


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"detection_confidence": 1.000001}, True),
        ({"detection_confidence": 1.01}, False),
        ({"descriptor": [1e-4] * 128}, False),
        ({"left": 0}, False),
        ({"landmarks": [{"x": 1, "y": 3}]}, False),
    ],
)
def test_answers_are_equal_up_to_rounding(changes: dict[str, Any], same: bool) -> None:
    assert equal(answer(face(**changes)), answer(face())) is same


def test_a_missing_face_is_a_difference() -> None:
    assert not equal(answer(), answer(face()))


def client(respond: Callable[[httpx.Request], httpx.Response]) -> httpx.Client:
    return httpx.Client(base_url="http://replicas", transport=httpx.MockTransport(respond))


def test_counts_lost_and_differing_calls() -> None:
    outcome = Outcome()
    outcome.add(1.0, httpx.Response(200, json=answer(face())), answer(face()))
    outcome.add(2.0, httpx.Response(200, json=answer(face(top=9))), answer(face()))
    outcome.add(3.0, httpx.Response(502, text="no replica"), answer(face()))
    outcome.add(4.0, httpx.ReadError("cut"), answer(face()))
    assert outcome.lost == ["502 no replica", "ReadError('cut')"]
    assert outcome.differing == 1
    assert outcome.seconds == [1.0, 2.0, 3.0, 4.0]


def test_makes_all_calls_with_the_photos_in_turn() -> None:
    sent = []

    def respond(request: httpx.Request) -> httpx.Response:
        sent.append(b"two" in request.read())
        return httpx.Response(200, json=answer())

    ended: list[int] = []
    outcome = run(client(respond), [b"one", b"two"], [answer()] * 2, 10, 3, report=ended.append)
    assert (outcome.lost, outcome.differing, len(outcome.seconds)) == ([], 0, 10)
    assert sum(sent) == 5
    assert sorted(ended) == list(range(1, 11))


def test_an_interruption_cancels_the_calls_that_wait() -> None:
    sent = []

    def respond(request: httpx.Request) -> httpx.Response:
        time.sleep(0.01)
        sent.append(request)
        return httpx.Response(200, json=answer())

    def interrupt(ended: int) -> None:
        if ended == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(client(respond), [PHOTO], [answer()], 300, 1, report=interrupt)
    assert len(sent) < 300


def test_an_event_happens_once_between_its_calls() -> None:
    happened = threading.Event()
    before: list[int] = []
    sent = []

    def respond(_: httpx.Request) -> httpx.Response:
        sent.append(1)
        assert len(sent) <= 4 or happened.wait(60)
        return httpx.Response(200, json=answer())

    def happen() -> None:
        before.append(len(sent))
        happened.set()

    assert run(client(respond), [PHOTO], [answer()], 8, 1, Event(happen, after=4)).duration > 0
    assert before in ([4], [5])


def test_a_failed_event_fails_the_run() -> None:
    def fail() -> None:
        raise ServiceDied("no replica")

    answering = client(lambda _: httpx.Response(200, json=answer()))
    with pytest.raises(ServiceDied, match="no replica"):
        run(answering, [PHOTO], [answer()], 2, 1, Event(fail, after=1))


def test_the_cost_is_that_of_pairs_in_both_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    order, now = [], [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def taking(name: str, seconds: float) -> httpx.Client:
        def respond(_: httpx.Request) -> httpx.Response:
            order.append(name)
            now[0] += seconds
            return httpx.Response(200, json=answer())

        return client(respond)

    added = cost(taking("direct", 0.5), taking("nginx", 0.52), PHOTO, 4)
    assert order == ["nginx", "direct", "direct", "nginx"] * 2
    assert added == pytest.approx([20] * 4)


def test_a_failed_call_has_no_cost() -> None:
    failing = client(lambda _: httpx.Response(502))
    with pytest.raises(httpx.HTTPStatusError):
        cost(failing, failing, PHOTO, 1)


def test_a_spread_needs_two_pairs() -> None:
    assert number_of_pairs("2") == 2
    with pytest.raises(argparse.ArgumentTypeError, match="two or more"):
        number_of_pairs("1")


def test_the_spread_is_the_median_and_the_middle_half() -> None:
    assert spread([1, 2, 3, 4, 5]) == "3.00 (1.50 to 4.50)"


def test_files_that_are_unlinked_count_while_they_are_open(tmp_path: Path) -> None:
    folder = tmp_path / "bodies"
    folder.mkdir()
    with (folder / "1").open("wb") as body, (tmp_path / "other").open("wb") as other:
        (folder / "1").unlink()
        for file in (body, other):
            file.write(bytes(1000))
            file.flush()
        assert held_bytes(os.getpid(), folder) == 1000
    assert held_bytes(os.getpid(), folder) == 0


def test_the_largest_value_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.studies.replicas.samples.SECONDS", 0.001)
    values = iter([1.0, 5.0])
    with largest({"one": lambda: next(values, 2.0)}) as found:
        time.sleep(0.05)
    assert found == {"one": 5.0}
