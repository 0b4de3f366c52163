"""Text that an HTTP header can carry."""

import unicodedata


def uncarriable(text: str) -> str | None:
    """What in `text` no header can carry (RFC 9110, 5.5), in words; None where there is nothing.

    A tab is carried, and so is UTF-8, as the RFC's obs-text. A lone surrogate is what Python makes of other bytes.
    """
    for character in text:
        match unicodedata.category(character):
            case "Cs":
                return "bytes that are not UTF-8"
            case "Cc" if character != "\t" and character.isascii():
                return f"the control character U+{ord(character):04X}"
    return None
