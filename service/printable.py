"""Text of callers and of the environment in one bounded line of a log or a message."""

LONGEST = 2000
"""Characters; the longest of our own lines have some 500."""
CUT = "…"


def printable(text: str, longest: int = LONGEST) -> str:
    """`text` with escapes for control characters and lone surrogates, cut after `longest` characters."""
    kept = text[:longest] + (CUT if len(text) > longest else "")
    return kept if kept.isprintable() else "".join(map(_printable, kept))


def _printable(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]
