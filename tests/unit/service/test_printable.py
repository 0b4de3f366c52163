import logging

import pytest

from service.logs import FORMATTERS
from service.printable import LONGEST, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, tést 漢", "plain, tést 漢"),
        ("a\nb\r\x1b[31m", r"a\nb\r\x1b[31m"),
        ("\udcff\u2028\x85", r"\udcff\u2028\x85"),
        ("", ""),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_is_long_is_cut() -> None:
    assert printable("abcdef", 3) == "abc…"
    assert printable("abc", 3) == "abc"


@pytest.mark.parametrize("style", list(FORMATTERS))
def test_no_message_forges_a_line_of_the_log_or_fills_it(style: str) -> None:
    forged = "photo\n2026-01-01 00:00:00,000 INFO service.web.access_log: GET / 200\x1b[2J" + "x" * 100_000
    record = logging.LogRecord("service", logging.WARNING, "", 0, "failed: %s", (forged,), None)
    line = FORMATTERS[style].format(record)
    assert line.isprintable()
    assert len(line) < LONGEST + 200


def test_a_traceback_keeps_its_lines() -> None:
    try:
        int("once")
    except ValueError as error:
        record = logging.LogRecord(
            "x", logging.ERROR, "", 0, "failed", (), (ValueError, error, error.__traceback__)
        )
    assert len(FORMATTERS["text"].format(record).splitlines()) > 2
