"""External text: printable for a log line, encodable for a message, valid in an HTTP header; names of hosts."""

import unicodedata

MAXIMUM_LINE = 2000
"""Maximum number of characters of a printable line; the service's own lines have some 500 at most."""
MAXIMUM_MESSAGE = 2000
"""Maximum number of characters of a text in a message between processes. A character takes at most six bytes of JSON,
so that the text fits into a packet (ipc.packets.MAXIMUM_PACKET)."""
CUT = "…"


def printable(text: str, longest: int = MAXIMUM_LINE) -> str:
    """`text` with escapes for control characters and lone surrogates, cut after `longest` characters."""
    kept = text[:longest] + (CUT if len(text) > longest else "")
    return kept if kept.isprintable() else "".join(map(_escaped, kept))


def encodable(text: str, longest: int = MAXIMUM_MESSAGE) -> str:
    """`text` with escapes for lone surrogates, which UTF-8 cannot encode, cut to at most `longest` characters."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= longest else text[: longest - len(CUT)] + CUT


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def header_fault(text: str) -> str | None:
    """Description of the first character of `text` that an HTTP header cannot carry (RFC 9110, 5.5), or None.

    A tab is allowed, and so is UTF-8, as the RFC's obs-text. A lone surrogate is Python's form of a byte that is not
    UTF-8.
    """
    for character in text:
        match unicodedata.category(character):
            case "Cs":
                return "bytes that are not UTF-8"
            case "Cc" if character != "\t" and character.isascii():
                return f"the control character U+{ord(character):04X}"
    return None


def without_brackets(host: str | None) -> str:
    """FACE_HOST for system calls: without the brackets and the `%25` of a URL (RFC 3986, RFC 6874)."""
    host = (host or "").strip()
    return host[1:-1].replace("%25", "%") if host.startswith("[") and host.endswith("]") else host
