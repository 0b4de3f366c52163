"""Random mutations of a byte string: bits, integers, numbers in text, splices, dictionary tokens."""

import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

LARGEST = 64 * 1024
"""Bytes of a mutated input; the corpus has files of a few kilobytes."""

INTERESTING = (0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 254, 255, 256, 4095, 4096, 32767, 32768)
INTERESTING_WIDE = (*INTERESTING, 65534, 65535, 65536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)
"""Integers at which counts, sizes and offsets overflow or change sign."""

ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")

NUMBERS = (b"0", b"-1", b"1e999", b"007", b"+5", b"2147483648", b"18446744073709551616", b"9" * 5000)
"""Replacements of a number in text."""

MOST_MUTATIONS = 6
_NUMBER = re.compile(rb"\d+")
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Mutator:
    """Derives new inputs from known ones. `tokens` are the words of the format."""

    random: random.Random
    tokens: Sequence[bytes]

    def mutated(self, data: bytes, other: bytes) -> bytes:
        """`data` after one to MOST_MUTATIONS changes, at most LARGEST bytes; `other` is the source of splices."""
        random_ = self.random
        changed = bytearray(data)
        if changed.startswith(_PNG_SIGNATURE) and random_.random() < 0.2:
            changed = self._mutate_png_pixels(changed)
        for _ in range(min(1 + int(random_.expovariate(0.7)), MOST_MUTATIONS)):
            random_.choice(_MUTATIONS)(self, changed, other)
        if changed.startswith(_PNG_SIGNATURE) and random_.random() < 0.9:
            # libpng refuses a chunk with a wrong checksum before it reads its content.
            repair_png(changed)
        return bytes(changed[:LARGEST])

    def position(self, changed: bytearray) -> int:
        """A random position, half of the time within the first 128 bytes, where most formats have their sizes."""
        end = len(changed) if self.random.random() < 0.5 else min(len(changed), 128)
        return self.random.randrange(end + 1)

    def length(self, changed: bytearray) -> int:
        """A random length, mostly short, at most that of the file."""
        longest = self.random.choice((4, 4, 16, 64, max(len(changed), 1)))
        return self.random.randint(1, longest)

    def _mutate_png_pixels(self, changed: bytearray) -> bytearray:
        """Changes a number in the filter types and samples, since a changed byte of a deflate stream only breaks it."""
        for start, length in _png_chunks(changed):
            if changed[start + 4 : start + 8] == b"IDAT":
                try:
                    pixels = bytearray(zlib.decompress(changed[start + 8 : start + 8 + length]))
                except zlib.error:
                    return changed
                _overwrite_number(self, pixels, b"")
                packed = zlib.compress(pixels)
                return (
                    changed[:start]
                    + struct.pack(">I", len(packed))
                    + b"IDAT"
                    + packed
                    + changed[start + 8 + length :]
                )
        return changed


def _flip_bits(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    if changed:
        for _bit in range(mutator.random.choice((1, 1, 2, 8))):
            changed[min(mutator.position(changed), len(changed) - 1)] ^= 1 << mutator.random.randrange(8)


def _overwrite_number(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    """An integer of 1 to 8 bytes in either byte order; half of the time the old value plus or minus up to 16."""
    size = mutator.random.choice((1, 2, 2, 4, 4, 8))
    order = mutator.random.choice(ORDERS)
    at = mutator.position(changed)
    if at + size > len(changed):
        return
    if mutator.random.random() < 0.5:
        value = int.from_bytes(changed[at : at + size], order) + mutator.random.randint(-16, 16)
    else:
        value = mutator.random.choice((*INTERESTING_WIDE, len(changed), len(changed) - at))
    changed[at : at + size] = (value % (1 << 8 * size)).to_bytes(size, order)


def _overwrite_noise(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    at, size = mutator.position(changed), mutator.length(changed)
    changed[at : at + size] = mutator.random.randbytes(min(size, len(changed) - at))


def _insert(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    at, size = mutator.position(changed), mutator.length(changed)
    filler = mutator.random.choice((b"\0", b"\xff", b"\n", b" ", b""))
    changed[at:at] = filler * size or mutator.random.randbytes(size)


def _remove(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    at, size = mutator.position(changed), mutator.length(changed)
    del changed[at : at + size]


def _repeat(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    at, size = mutator.position(changed), mutator.length(changed)
    times = min(mutator.random.choice((1, 1, 2, 100)), LARGEST // size + 1)
    changed[at:at] = changed[at : at + size] * times


def _truncate(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    del changed[mutator.position(changed) :]


def _move(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    at, size = mutator.position(changed), mutator.length(changed)
    taken = changed[at : at + size]
    del changed[at : at + size]
    to = mutator.position(changed)
    changed[to:to] = taken


def _splice(mutator: Mutator, changed: bytearray, other: bytes) -> None:
    """Overwrites a range, or all that follows, with bytes of `other`."""
    start, at = mutator.position(bytearray(other)), mutator.position(changed)
    size = mutator.length(changed)
    if mutator.random.random() < 0.5:
        changed[at : at + size] = other[start : start + size]
    else:
        changed[at:] = other[start:]


def _token(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    if mutator.tokens:
        token, at = mutator.random.choice(mutator.tokens), mutator.position(changed)
        over = len(token) if mutator.random.random() < 0.5 else 0
        changed[at : at + over] = token


def _number_in_text(mutator: Mutator, changed: bytearray, _: bytes) -> None:
    numbers = list(_NUMBER.finditer(changed[:4096]))
    if numbers:
        start, end = mutator.random.choice(numbers).span()
        changed[start:end] = mutator.random.choice((*NUMBERS, b"%d" % mutator.random.randrange(1 << 17)))


Mutation = Callable[[Mutator, bytearray, bytes], None]

_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits,
    _flip_bits,
    _overwrite_number,
    _overwrite_number,
    _overwrite_noise,
    _insert,
    _remove,
    _repeat,
    _truncate,
    _move,
    _splice,
    _token,
    _number_in_text,
)


def repair_png(data: bytearray) -> None:
    """Updates the checksum of every chunk of a PNG (PNG specification, 5.5)."""
    for start, length in _png_chunks(data):
        end = start + 8 + length
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[start + 4 : end]))


def _png_chunks(data: bytearray) -> list[tuple[int, int]]:
    """Start of each complete chunk, and the size of its content in bytes."""
    found = []
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        if position + 12 + length > len(data):
            break
        found.append((position, length))
        position += 12 + length
    return found
