"""Preambles and extended file names (`filename*`) of multipart bodies, which python-multipart does not support."""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import unquote_to_bytes

LONGEST_PADDING = 256
"""Maximum number of spaces and tabs after the first boundary (transport-padding: RFC 2046, section 5.1.1)."""

CHARSETS = ("utf-8", "iso-8859-1")
"""Charsets of an extended value: that of RFC 8187, and the second one of its predecessor, RFC 5987."""

_PARAMETER = re.compile(rb';\s*([^\s=;"]+)\s*=\s*("(?:\\.|[^"\\])*"|[^;]*)')
"""A parameter of a Content-Disposition header: its name, and its value with quotation marks, if any."""


async def without_preamble(body: AsyncIterator[bytes], boundary: bytes) -> AsyncGenerator[bytes, None]:
    """The body from its first boundary line on, without the padding of that line.

    RFC 2046, section 5.1.1, allows any text before the first boundary line; it is discarded. A body without a boundary
    line yields nothing.
    """
    delimiter = b"--" + boundary
    line = re.compile(rb"\n" + re.escape(delimiter) + rb"(--|[ \t]{0,%d}\r\n)" % LONGEST_PADDING)
    longest = len(delimiter) + LONGEST_PADDING + len(b"\n\r\n")
    unmatched = b"\n"  # as if a line ended before the body: the boundary may be its first line
    async for chunk in body:
        unmatched += chunk
        if found := line.search(unmatched):
            yield delimiter + found[1].lstrip(b" \t") + unmatched[found.end() :]
            break
        unmatched = unmatched[-longest:]
    async for chunk in body:
        yield chunk


def extended_filename(disposition: bytes) -> tuple[bool, str | None]:
    """True if a Content-Disposition header has a parameter `filename*`, and its decoded value (RFC 8187).

    The value is None if it is malformed or in another charset. RFC 7578 forbids the notation, but some HTTP libraries
    send it for every name that is not ASCII.
    """
    for name, value in _PARAMETER.findall(disposition):
        if name.lower() == b"filename*":
            return True, _decoded(value.strip().strip(b'"'))
    return False, None


def _decoded(value: bytes) -> str | None:
    charset, _, rest = value.partition(b"'")
    _language, quote, encoded = rest.partition(b"'")
    name = charset.decode("latin-1").lower()
    if not quote or name not in CHARSETS:
        return None
    try:
        return unquote_to_bytes(encoded).decode(name)
    except UnicodeDecodeError:
        return None
