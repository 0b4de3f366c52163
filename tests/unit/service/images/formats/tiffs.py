"""TIFF writer for kinds that Pillow does not write."""

import lzma
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

NONE, LZW, DEFLATE, PACKBITS, LZMA = 1, 5, 8, 32773, 34925
SHORT, LONG, FLOAT, LONG8 = 3, 4, 11, 16
FORMATS = {1: "B", 2: "B", SHORT: "H", LONG: "I", 5: "I", 7: "B", FLOAT: "f", LONG8: "Q"}


def directory(
    order: str, entries: Mapping[int, tuple[int, Sequence[float]]], at: int, big: bool = False
) -> bytes:
    """A directory that will stand at byte `at`, and after it the values that do not fit into it."""
    room, word, number = (8, "Q", "Q") if big else (4, "I", "H")
    after = at + struct.calcsize(order + number) + len(entries) * (4 + 2 * room) + room
    table, values = struct.pack(order + number, len(entries)), b""
    for tag, (kind, numbers) in sorted(entries.items()):
        content = struct.pack(f"{order}{len(numbers)}{FORMATS[kind]}", *numbers)
        count = len(numbers) // 2 if kind == 5 else len(numbers)
        table += struct.pack(order + "HH" + word, tag, kind, count)
        if len(content) <= room:
            table += content.ljust(room, b"\0")
        else:
            table += struct.pack(order + word, after + len(values))
            values += content + b"\0" * (len(content) % 2)
    return table + b"\0" * room + values


def file(
    order: str, entries: Mapping[int, tuple[int, Sequence[float]]], content: bytes = b"", big: bool = False
) -> bytes:
    """Header, `content` from byte 16 on, and a directory."""
    start = 16 + len(content) + len(content) % 2
    name = b"II" if order == "<" else b"MM"
    header = struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI8x", 42, start)
    return (name + header + content).ljust(start, b"\0") + directory(order, entries, start, big)


def packed(samples: NDArray[np.integer[Any]], bits: int, order: str) -> bytes:
    """Rows of samples (rows, n) as bytes: whole bytes in the file's order, others highest bit first."""
    if bits in (8, 16, 32):
        return samples.astype(f"{order}u{bits // 8}").tobytes()
    each = samples[:, :, None] >> np.arange(bits - 1, -1, -1) & 1
    return np.packbits(each.reshape(len(samples), -1).astype(np.uint8), axis=1).tobytes()


def packbits(data: bytes) -> bytes:
    """Literal runs alone."""
    runs = [data[at : at + 128] for at in range(0, len(data), 128)]
    return b"".join(bytes([len(run) - 1]) + run for run in runs)


@cache
def lzw(data: bytes) -> bytes:
    """Codes of nine bits alone: the table is cleared before it would need ten."""
    codes: list[int] = []
    for at in range(0, len(data), 250):
        codes += [256, *data[at : at + 250]]
    return np.packbits(
        np.array([[code >> bit & 1 for bit in range(8, -1, -1)] for code in [*codes, 257]])
    ).tobytes()


ENCODERS: Mapping[int, Callable[[bytes], bytes]] = {
    NONE: bytes,
    LZW: lzw,
    DEFLATE: zlib.compress,
    PACKBITS: packbits,
    LZMA: cache(lzma.compress),
}


def reversed_bits(data: bytes) -> bytes:
    return np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()


def encoded(
    samples: NDArray[np.integer[Any]],
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    compression: int = NONE,
    predictor: int = 1,
    separate_planes: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int = 7,
    big: bool = False,
    fill_order: int = 1,
    more: Mapping[int, tuple[int, Sequence[float]]] | None = None,
) -> bytes:
    """(H, W, S) samples of `bits` bits as a file, in strips of `rows`, or in tiles (width, length)."""
    height, width, number = samples.shape
    across, down = tile or (width, rows)
    offsets, lengths, content = [], [], b""
    for plane in np.split(samples, number, axis=2) if separate_planes else [samples]:
        for top in range(0, height, down):
            for left in range(0, width, across):
                chunk = plane[top : top + down, left : left + across]
                if tile:
                    missing = [(0, down - chunk.shape[0]), (0, across - chunk.shape[1]), (0, 0)]
                    chunk = np.pad(chunk, missing, mode="edge")
                if predictor == 2:
                    chunk = np.diff(chunk.astype(int), axis=1, prepend=0) % (1 << bits)
                stored = ENCODERS[compression](packed(chunk.reshape(len(chunk), -1), bits, order))
                stored = reversed_bits(stored) if fill_order == 2 else stored
                offsets.append(16 + len(content))
                lengths.append(len(stored))
                content += stored
    wide = LONG8 if big else LONG
    entries: dict[int, tuple[int, Sequence[float]]] = {
        256: (SHORT, [width]),
        257: (SHORT, [height]),
        258: (SHORT, [bits] * number),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        266: (SHORT, [fill_order]),
        277: (SHORT, [number]),
        284: (SHORT, [2 if separate_planes else 1]),
        317: (SHORT, [predictor]),
    }
    if tile:
        entries |= {322: (SHORT, [across]), 323: (SHORT, [down])}
        entries |= {324: (wide, offsets), 325: (wide, lengths)}
    else:
        entries |= {278: (SHORT, [rows]), 273: (wide, offsets), 279: (wide, lengths)}
    return file(order, entries | dict(more or {}), content, big)
