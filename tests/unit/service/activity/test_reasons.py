"""Reasons of failures on pages without a key: as much of the error's sentence as has no text of a caller."""

import pytest

from service.activity import CLIENT_CLOSED_REQUEST
from service.activity.reasons import MAXIMUM_REASON, REPLACED, UNEXPECTED, reason
from service.activity.repairs import repair
from service.images.decoding import checked_header, decode
from service.images.errors import ImageTooLarge, UndecodableImage
from service.pipeline.refusals import STATUS as OF_WORKER
from service.web.errors import STATUS as OF_WEB

PRIVATE = "secret-name"


@pytest.mark.parametrize(
    ("sentence", "shown"),
    [
        (
            "The 3 bytes do not start like an image; known formats: JPEG.",
            "The 3 bytes do not start like an image.",
        ),
        (
            "The file is a video, or of another kind without a photo that this service reads (brands: 'evil').",
            "The file is a video, or of another kind without a photo that this service reads.",
        ),
        (
            "The PNG file is truncated or damaged: its chunk b'evil' has 5 bytes.",
            "The PNG file is truncated or damaged.",
        ),
        (
            "The image is damaged: its decoder took far more time than any image of its size should.",
            "The image is damaged: its decoder took far more time than any image of its size should.",
        ),
        ("The image is damaged: its decoder ended with SIGSEGV.", "The image is damaged."),
        ("The JPEG file ends before its frame header.", "The JPEG file ends before its frame header."),
        ("OpenCV cannot decode the image: evil.", "OpenCV cannot decode the image."),
        ("The evil file is damaged.", REPLACED["UndecodableImage"]),
        ("evil", REPLACED["UndecodableImage"]),
    ],
)
def test_shows_the_known_part_of_a_decoders_sentence(sentence: str, shown: str) -> None:
    assert reason("UndecodableImage", sentence) == shown


def test_shows_no_byte_of_a_file() -> None:
    mark = b"evil"
    for data in (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0\0\0\0\0" + b"\xff\0\0\0" + mark + b"data",
        b"\0\0\0\x18ftyp" + mark + b"\0\0\0\0" + mark + mark,
        b"BM" + mark * 20,
        b"GIF89a" + mark,
        mark * 100,
    ):
        with pytest.raises(UndecodableImage) as refused:
            decode(data, maximum_area=10**6, honour_orientation=True)
        assert "evil" not in reason("UndecodableImage", str(refused.value))


def test_shows_no_number_of_any_length() -> None:
    """It could hold a photo: the sentence is of the process that has decoded it."""
    assert (
        len(reason("UndecodableImage", f"The {'1' * 1000} bytes do not start like an image"))
        <= MAXIMUM_REASON + 1
    )


def test_shows_a_size_in_full() -> None:
    with pytest.raises(ImageTooLarge) as refused:
        checked_header(b"GIF89a" + bytes((16, 39, 16, 39)) + b"\0\0\0,\0\0\0\0\x10\x27\x10\x27", 100)
    shown = reason("ImageTooLarge", str(refused.value))
    assert shown == "The image is 10000 x 10000 = 100000000 pixels, the limit is 100: scale it down first."


def test_replaces_a_sentence_with_text_of_the_caller() -> None:
    assert PRIVATE not in reason("BadFace", f"the field 'face' is not JSON: {PRIVATE}")
    assert reason("ZeroDivisionError", PRIVATE) == UNEXPECTED
    assert reason(None, PRIVATE) == UNEXPECTED


def test_each_error_of_the_table_has_a_reason_and_a_repair() -> None:
    for error, status in {**OF_WEB, **OF_WORKER}.items():
        if status == CLIENT_CLOSED_REQUEST:
            continue
        assert reason(error.__name__, "A sentence.") != UNEXPECTED
        assert repair(error.__name__, status)
