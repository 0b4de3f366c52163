import logging

import pytest

from service.logs import FORMATTERS
from service.text import MAXIMUM_LINE, MAXIMUM_MESSAGE, encodable, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, tést 漢", "plain, tést 漢"),
        ("a\nb\r\x1b[31m", r"a\nb\r\x1b[31m"),
        ("\udcff\u2028\x85", r"\udcff\u2028\x85"),
        ("", ""),
    ],
)
def test_escapes_control_characters_and_lone_surrogates(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_cuts_long_text() -> None:
    assert printable("abcdef", 3) == "abc…"
    assert printable("abc", 3) == "abc"


def test_encodable_text_escapes_lone_surrogates_within_its_limit() -> None:
    assert encodable("a\n\udcff") == "a\n\\udcff"
    assert encodable("abcdef", 3) == "ab…"
    assert len(encodable("\ud800" * MAXIMUM_MESSAGE)) == MAXIMUM_MESSAGE


@pytest.mark.parametrize("style", list(FORMATTERS))
def test_a_log_line_of_any_text_is_one_bounded_line(style: str) -> None:
    forged = "photo\n2026-01-01 00:00:00,000 INFO service.web.access_log: GET / 200\x1b[2J" + "x" * 100_000
    record = logging.LogRecord("service", logging.WARNING, "", 0, "failed: %s", (forged,), None)
    line = FORMATTERS[style].format(record)
    assert line.isprintable()
    assert len(line) < MAXIMUM_LINE + 200


def test_keeps_the_lines_of_a_traceback() -> None:
    try:
        int("once")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "", 0, "failed", (), (ValueError, error, error.__traceback__)
        )
    assert len(FORMATTERS["text"].format(record).splitlines()) > 2
