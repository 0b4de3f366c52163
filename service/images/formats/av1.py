"""Maximum frame size of AV1 data, from its sequence headers.

Section numbers are those of the AV1 Bitstream & Decoding Process Specification (2019).
"""

from collections.abc import Iterator

SEQUENCE_HEADER = 1
"""OBU type: a sequence header gives the maximum size of the frames after it (5.3 and 5.5)."""


def frame_areas(coded: bytes) -> Iterator[int]:
    """Maximum frame area in pixels by each sequence header among the OBUs, up to the first damaged one."""
    at = 0
    while at < len(coded):
        header = coded[at]
        at += 2 if header & 4 else 1
        length = len(coded) - at
        if header & 2:
            length, at = _leb128(coded, at)
        if header >> 3 & 15 == SEQUENCE_HEADER:
            yield _frame_area(coded[at : at + length])
        at += length


def _leb128(coded: bytes, at: int) -> tuple[int, int]:
    """A leb128 number (4.10.5), and the position after it."""
    value = 0
    for place, byte in enumerate(coded[at : at + 8]):
        value |= (byte & 0x7F) << 7 * place
        if not byte & 0x80:
            return value, at + place + 1
    return len(coded), at


def _frame_area(header: bytes) -> int:
    """Maximum frame area in pixels by a sequence header (5.5.1)."""
    bits = int.from_bytes(header, "big")
    left = 8 * len(header)

    def take(number: int) -> int:
        nonlocal left
        left -= number
        return bits >> left & (1 << number) - 1 if left >= 0 else 0

    take(4)  # seq_profile, still_picture
    if take(1):  # reduced_still_picture_header
        take(5)  # seq_level_idx
    else:
        model, delay_length = 0, 0
        if take(1):  # timing_info_present_flag
            take(64)
            if take(1):  # equal_picture_interval
                zeros = 0
                while not take(1) and zeros < 32:
                    zeros += 1
                take(zeros)
            model = take(1)
            if model:
                delay_length = take(5) + 1
                take(42)
        display_delays = take(1)
        for _ in range(take(5) + 1):
            take(12)  # operating_point_idc
            if take(5) > 7:  # seq_level_idx
                take(1)
            if model and take(1):
                take(2 * delay_length + 1)
            if display_delays and take(1):
                take(4)
    across, down = take(4) + 1, take(4) + 1
    return (take(across) + 1) * (take(down) + 1)
