"""Hostile requests: a table of generated requests by name, each with its allowed statuses."""

import io
import socket
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from PIL import Image

from tests.calling import Caller, Part

CLOSED = 0
"""Stands for a status: the connection ended without an answer."""

FACE = b'{"left":8,"top":8,"right":40,"bottom":40}'

Form = tuple[bytes, bytes]
"""Head and body of a request."""


@dataclass(frozen=True)
class Hostile:
    """A request and its allowed statuses."""

    make: Callable[[Caller], Form]
    allowed: frozenset[int]
    ends: bool = False
    """True if the caller shuts down its side of the connection after these bytes."""

    def send(self, caller: Caller) -> int:
        """Sends the request; returns the status, or CLOSED."""
        head, body = self.make(caller)
        try:
            with caller.connect() as line, line.makefile("rb") as stream:
                line.sendall(head + body)
                if self.ends:
                    line.shutdown(socket.SHUT_WR)
                status_line = stream.readline()
                return int(status_line.split()[1]) if status_line else CLOSED
        except ConnectionError:
            return CLOSED


# Images


def _saved(kind: str, size: tuple[int, int] = (64, 64), mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize(size).convert(mode).save(file, kind, **options)
    return file.getvalue()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, depth: int, colour: int, *chunks: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks) + png_chunk(b"IEND", b"")


def animated_gray_png(disposal: int) -> bytes:
    """Two frames, the second one smaller (PNG specification, 11.3.8)."""
    side, inner = 64, 16
    frame = struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 10, disposal, 0)
    second = struct.pack(">IIIIIHHBB", 1, inner, inner, 8, 8, 1, 10, disposal, 0)
    return _png(
        side, side, 8, 0,
        png_chunk(b"acTL", struct.pack(">II", 2, 0)),
        png_chunk(b"fcTL", frame),
        png_chunk(b"IDAT", zlib.compress((b"\0" + bytes(side)) * side)),
        png_chunk(b"fcTL", second),
        png_chunk(b"fdAT", struct.pack(">I", 2) + zlib.compress((b"\0" + b"\x80" * inner) * inner)),
    )  # fmt: skip


def png_bomb() -> bytes:
    """20,000 x 20,000 pixels of one bit, all black: 50 kB."""
    side = 20_000
    return _png(side, side, 1, 0, png_chunk(b"IDAT", zlib.compress((b"\0" + bytes(side // 8)) * side, 9)))


def gif_bomb() -> bytes:
    """A frame of 65,535 x 65,535 pixels without data."""
    frame = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0;"
    return b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0x80, 0, 0) + bytes(6) + frame


def tiff_bomb() -> bytes:
    """64 x 64 pixels in one tile of 2^15 x 2^15, deflated (TIFF 6.0, section 15)."""
    data = zlib.compress(bytes(1000))
    side, tile, short, long = 64, 1 << 15, 3, 4
    entries = (
        *((256, long, side), (257, long, side), (258, short, 8), (259, short, 8), (262, short, 1)),
        *((277, short, 1), (322, long, tile), (323, long, tile), (324, long, 8), (325, long, len(data))),
    )
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"".join(
        (
            b"II*\0",
            struct.pack("<I", 8 + len(data)),
            data,
            struct.pack("<H", len(entries)),
            directory,
            bytes(4),
        )
    )


def webp_bomb() -> bytes:
    """An empty canvas of 16,384 x 16,384 pixels."""
    content = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff\x3f\0" * 2
    return b"RIFF" + struct.pack("<I", len(content)) + content


def bmp_bomb() -> bytes:
    """The header of 30,000 x 30,000 pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def jpeg_2000() -> bytes:
    """A codestream's header with the largest number of tiles (ISO 15444-1, A.5.1), and no tile."""
    size = struct.pack(">HIIIIIIIIH", 0, 255, 257, 0, 0, 1, 1, 0, 0, 1) + b"\x07\1\1"
    return b"\xff\x4f\xff\x51" + struct.pack(">H", len(size) + 2) + size


def ppm_of_comments() -> bytes:
    return b"P6\n" + b"# nothing\n" * 20_000 + b"8 8\n255\n" + bytes(3 * 64)


def jpeg_of_scans(scans: int = 600, before: bytes = b"") -> bytes:
    """A progressive JPEG whose last scan, a refinement, is repeated `scans` times, each after the bytes `before`."""
    file = io.BytesIO()
    Image.new("L", (1000, 1000), 90).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last, end = data.rindex(b"\xff\xda"), data.rindex(b"\xff\xd9")
    return data[:last] + (before + data[last:end]) * scans + data[end:]


TEM = b"\xff\x01"
"""A marker without parameters (ITU T.81, table B.1); read as one with a length, it hides the scan behind it."""


def avif_of_no_brand() -> bytes:
    """An AVIF with only unknown brands in its file type box (ISO 14496-12, 4.3)."""
    data = bytearray(_saved("AVIF"))
    (length,) = struct.unpack_from(">I", data)
    for brand in (8, *range(16, length, 4)):
        data[brand : brand + 4] = b"none"
    return bytes(data)


IMAGES: Mapping[str, tuple[bytes, frozenset[int]]] = MappingProxyType(
    {
        "no byte": (b"", frozenset({415})),
        "text": (b"<html>no photo</html>", frozenset({415})),
        "zeros": (bytes(10_000), frozenset({415})),
        "noise": (zlib.compress(bytes(range(256)) * 40)[2:] * 20, frozenset({415})),
        "JPEG cut in its header": (_saved("JPEG")[:20], frozenset({415})),
        "PNG of 24 bytes": (_saved("PNG")[:24], frozenset({415})),
        "PNG cut in its pixels": (_saved("PNG")[:60], frozenset({415})),
        "GIF cut": (_saved("GIF", mode="L")[:30], frozenset({415})),
        "WebP cut": (_saved("WEBP")[:40], frozenset({415})),
        "AVIF cut": (_saved("AVIF")[:200], frozenset({415})),
        "TIFF cut": (_saved("TIFF")[:100], frozenset({415})),
        "BMP cut": (_saved("BMP")[:30], frozenset({415})),
        # The default image, as dlib decodes it. OpenCV 5.0 writes beyond its buffer where a frame is disposed of.
        "animated gray PNG": (animated_gray_png(disposal=0), frozenset({200})),
        "animated gray PNG, disposed of": (animated_gray_png(disposal=1), frozenset({200})),
        "PNG bomb": (png_bomb(), frozenset({412})),
        "GIF bomb": (gif_bomb(), frozenset({412})),
        "TIFF bomb": (tiff_bomb(), frozenset({412, 415})),
        "WebP bomb": (webp_bomb(), frozenset({412})),
        "BMP bomb": (bmp_bomb(), frozenset({412})),
        "JPEG 2000 of 65,535 tiles": (jpeg_2000(), frozenset({415})),
        "PPM of comments": (ppm_of_comments(), frozenset({415})),
        "JPEG of 600 scans": (jpeg_of_scans(), frozenset({415})),
        "JPEG of 600 scans behind TEM": (jpeg_of_scans(before=TEM), frozenset({415})),
        "AVIF of no brand": (avif_of_no_brand(), frozenset({200})),
    }
)
"""Photos by name, with their allowed statuses."""

FACES: Mapping[str, bytes] = MappingProxyType(
    {
        "nothing": b"",
        "no JSON": b"{",
        "not UTF-8": b'{"left":"\xff\xfe"}',
        "a list": b"[8,8,40,40]",
        "deep nesting": b"[" * 100_000,
        "deep nesting of objects": b'{"a":' * 50_000,
        "NaN": FACE.replace(b":8", b":NaN"),
        "Infinity": FACE.replace(b"40}", b"-Infinity}"),
        "1e400": FACE.replace(b"40}", b"1e400}"),
        "an integer of 100 digits": FACE.replace(b"40}", b"9" * 100 + b"}"),
        "an integer of 10,000 digits": FACE.replace(b"40}", b"9" * 10_000 + b"}"),
        "a key twice, the last one wrong": FACE.replace(b"40}", b'40,"left":{}}'),
        "no edges": b'{"detection_confidence":1.1}',
        "an empty rectangle": FACE.replace(b"40", b"8"),
        "a rectangle inside out": FACE.replace(b"40", b"-40"),
        "a rectangle outside of the photo": b'{"left":5000,"top":5000,"right":5100,"bottom":5100}',
    }
)
"""Faces by name, sent with a photo that can be decoded; the answer is 422."""


def _posted(path: str, *parts: Part) -> Callable[[Caller], Form]:
    return lambda caller: caller.form(path, *parts)


def _known(photo: bytes, face: bytes = FACE) -> Callable[[Caller], Form]:
    return _posted("/compute", Caller.photo(photo, b"a.jpg", b"image/jpeg"), Caller.face(face))


def _changed(*changes: tuple[bytes, bytes]) -> Callable[[Caller], Form]:
    """A valid request with some bytes of its head replaced."""

    def make(caller: Caller) -> Form:
        head, body = caller.form("/detect", caller.photo(_PHOTO))
        for old, new in changes:
            assert old in head
            head = head.replace(old, new)
        return head, body

    return make


def _cut(caller: Caller) -> Form:
    head, body = caller.form("/detect", caller.photo(_PHOTO))
    return head, body[: len(body) // 2]


def _chunked(caller: Caller) -> Form:
    """A body of one chunk whose head declares a length too (RFC 9112, 6.3)."""
    head, body = caller.form("/detect", caller.photo(_PHOTO))
    return head.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"), b"%x\r\n%s\r\n0\r\n\r\n" % (
        len(body),
        body,
    )


def _with_key(key_header: bytes) -> Callable[[Caller], Form]:
    return lambda caller: replace(caller, key_header=key_header).form("/detect", caller.photo(_PHOTO))


_PHOTO = _saved("JPEG")

HTTP: Mapping[str, Hostile] = MappingProxyType(
    {
        "no key": Hostile(_with_key(b""), frozenset({401})),
        "wrong key": Hostile(_with_key(b"x-api-key: wrong"), frozenset({401})),
        "key of other bytes": Hostile(_with_key(b"x-api-key: \xff\xfe"), frozenset({401})),
        "wrong content type": Hostile(_changed((b"multipart/form-data", b"image/jpeg")), frozenset({400})),
        "no boundary": Hostile(_changed((b"; boundary=", b"; nothing=")), frozenset({400})),
        "wrong boundary": Hostile(_changed((b"boundary=--", b"boundary=xx")), frozenset({400})),
        "unknown charset": Hostile(
            _changed((b"; boundary", b"; charset=undefined; boundary")), frozenset({400})
        ),
        "no photo": Hostile(_posted("/detect", Caller.face(FACE)), frozenset({400})),
        "no face": Hostile(_posted("/compute", Caller.photo(_PHOTO)), frozenset({422})),
        "33 parts": Hostile(_posted("/detect", *[Caller.face(FACE)] * 33), frozenset({400})),
        "cut in the middle": Hostile(_cut, frozenset({400, 499, CLOSED}), ends=True),
        "a length and chunks": Hostile(_chunked, frozenset({400})),
        "two lengths": Hostile(
            _changed((b"Content-Length", b"Content-Length: 7\r\nContent-Length")), frozenset({400})
        ),
        "no such path": Hostile(_changed((b"/detect", b"/detect/../open")), frozenset({404})),
        "no such method": Hostile(_changed((b"POST", b"BREW")), frozenset({405})),
    }
)
"""Malformed requests by name."""


def _table() -> dict[str, Hostile]:
    table = dict(HTTP)
    for name, (photo, allowed) in IMAGES.items():
        table[f"{name} to /detect"] = Hostile(_posted("/detect", Caller.photo(photo)), allowed)
        table[f"{name} to /compute"] = Hostile(_known(photo), allowed)
    for name, face in FACES.items():
        table[f"a face of {name}"] = Hostile(_known(_PHOTO, face), frozenset({422}))
    return table


TABLE: Mapping[str, Hostile] = MappingProxyType(_table())


def names_in_rotation(count: int) -> Sequence[str]:
    """`count` names of TABLE, round-robin."""
    names = list(TABLE)
    return [names[number % len(names)] for number in range(count)]
