"""Multipart bodies by RFC 2046 and RFC 8187, over HTTP and in chunks of every size."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

import pytest

from service.web.uploads.multipart import LONGEST_PADDING, extended_filename, without_preamble
from tests.unit.service.conftest import client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

HEADERS = {"content-type": "multipart/form-data; boundary=b"}
PLAIN = b'form-data; name="file"; filename="a"'


def body(
    photo: bytes, *, disposition: bytes = PLAIN, before: bytes = b"", padding: bytes = b"", after: bytes = b""
) -> bytes:
    part = b"Content-Disposition: " + disposition + b"\r\n\r\n" + photo
    return before + b"--b" + padding + b"\r\n" + part + b"\r\n--b--" + after


FORMS: list[dict[str, bytes]] = [
    {"before": b"A preamble for people.\r\n"},
    {"before": b"\r\n"},
    {"before": b"\n\n"},
    {"before": b"--bystander\r\n--b \tnot\r\n" * 9000},
    {"padding": b" \t \t"},
    {"padding": b" " * LONGEST_PADDING, "before": b"both\r\n"},
    {"after": b"\r\n"},
    {"after": b" \t\r\nAn epilogue,\r\n--b\r\nof any text."},
]


def test_accepts_preamble_padding_and_epilogue(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with serving() as port, client(port, key_header) as caller:
        for form in FORMS:
            answered = caller.post("/detect", content=body(png, **form), headers=HEADERS)
            assert (answered.status_code, answered.json().get("filename")) == (200, "a"), (
                form,
                answered.text,
            )


NAMES = [
    (b"form-data; name=\"file\"; filename*=UTF-8''%e2%82%ac%20rates.jpg", "€ rates.jpg"),
    (b"form-data; filename*=utf-8'en'a.jpg; name=\"file\"", "a.jpg"),
    (b'form-data; name="file"; filename="EUR.jpg"; filename*=UTF-8\'\'%e2%82%ac.jpg', "€.jpg"),
    (b'form-data; name="file"; filename*=UTF-8\'\'%e2%82%ac.jpg; filename="EUR.jpg"', "€.jpg"),
    (b"form-data; name=\"file\"; FileName* = iso-8859-1''%A3.jpg", "£.jpg"),
    (b"form-data; name=\"file\"; filename*=UTF-8''..%2f..%2fetc%2fpasswd", "passwd"),
    # If it cannot be decoded, the plain name counts, or an empty one.
    (b'form-data; name="file"; filename*=UTF-8\'\'%ff.jpg; filename="plain.jpg"', "plain.jpg"),
    (b'form-data; name="file"; filename="plain.jpg"; filename*=rot13\'\'a.jpg', "plain.jpg"),
    (b'form-data; name="file"; filename*=no-quotes', ""),
    # Within quotation marks it is a part of another value.
    (b'form-data; name="file"; filename="x; filename*=UTF-8\'\'y"', "x; filename*=UTF-8''y"),
]


def test_reads_extended_file_names(serving: Server, key_header: dict[bytes, bytes], png: bytes) -> None:
    with serving() as port, client(port, key_header) as caller:
        for disposition, name in NAMES:
            answered = caller.post("/detect", content=body(png, disposition=disposition), headers=HEADERS)
            assert (answered.status_code, answered.json().get("filename")) == (200, name), answered.text


def test_takes_a_part_without_a_file_name_as_text(serving: Server, key_header: dict[bytes, bytes]) -> None:
    disposition = b'form-data; name="file"; note="filename*="'
    with serving() as port, client(port, key_header) as caller:
        assert (
            caller.post("/detect", content=body(b"x", disposition=disposition), headers=HEADERS).status_code
            == 400
        )
    assert extended_filename(disposition) == (False, None)


def _read(sent: bytes, size: int) -> bytes:
    async def chunks() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(sent), size):
            yield sent[start : start + size]

    async def whole() -> bytes:
        return b"".join([chunk async for chunk in without_preamble(chunks(), b"b")])

    return asyncio.run(whole())


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("before", [b"", b"\r\n", b"text\n", b"--c\r\n\r\n-", b"x--b\r\n\r\n"])
def test_reads_the_same_body_from_chunks_of_any_size(size: int, before: bytes) -> None:
    rest = b"Content: y\r\n\r\n--b\r\nz\r\n--b  \r\n--b--\r\nepilogue"
    at_line_start = not before or before.endswith(b"\n")
    sent = before + b"--b \t\r\n" + rest
    assert _read(sent, size) == (b"--b\r\n" + rest if at_line_start else rest[rest.index(b"--b") :])


@pytest.mark.parametrize("sent", [b"", b"--", b"--b", b"--b ", b"x" * 5000, b"--bb\r\n", b"--b x\r\n"])
def test_yields_nothing_without_a_boundary_line(sent: bytes) -> None:
    assert _read(sent, 7) == b""


def test_keeps_the_end_of_a_form_without_parts() -> None:
    assert _read(b"--b--\r\n", 3) == b"--b--\r\n"
