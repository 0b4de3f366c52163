"""Text that an HTTP header can carry."""

import unicodedata


def uncarriable(text: str) -> str | None:
    """Name of the first character of `text` that is no field value (RFC 9110, 5.5); None where all are.

    A tab is carried, and so is UTF-8, as the RFC's obs-text. A lone surrogate is what Python makes of other bytes.
    """
    for character in text:
        match unicodedata.category(character):
            case "Cs":
                return "bytes that are not UTF-8"
            case "Cc" if character != "\t" and character.isascii():
                return f"the control character U+{ord(character):04X}"
    return None
