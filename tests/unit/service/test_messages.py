"""Messages of a worker whose values reach a header of an answer."""

import json

import pytest

from service.messages import Answered, MalformedMessage, from_worker


def answered(milliseconds: object) -> bytes:
    return json.dumps({"kind": "answered", "number": 1, "milliseconds": milliseconds, "faces": 2}).encode()


def test_times_of_stages_pass() -> None:
    assert from_worker(answered({"hog_confirms": 1.5})) == Answered(
        number=1, milliseconds={"hog_confirms": 1.5}, faces=2
    )


@pytest.mark.parametrize(
    "milliseconds",
    [
        {"decode\r\nx: y": 1.0},
        {"decode\n": 1.0},
        {"décode": 1.0},
        {"": 1.0},
        {"decode": -1.0},
        {"decode": float("inf")},
        {"decode": float("nan")},
        {"decode": "1"},
        {"a" * number: 1.0 for number in range(1, 18)},
    ],
)
def test_names_and_numbers_that_fit_no_header_are_refused(milliseconds: object) -> None:
    with pytest.raises(MalformedMessage):
        from_worker(answered(milliseconds))
