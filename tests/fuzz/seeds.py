"""The corpus, made by code: drawn pictures in every format and odd structure, forms, requests, faces, small .dat files.

`python -m tests.fuzz.seeds` writes tests/fuzz/corpus. The files are kept, since other versions of the encoders write
other bytes.
"""

import io
import json
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image

from tests.fuzz import dat_files
from tests.fuzz.targets import CORPUS

WIDTH, HEIGHT = 24, 16

Seeds = Iterator[tuple[str, bytes]]
"""Name of a file, and what it holds."""


def picture(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """(H, W, 3) RGB: a gradient with an ellipse."""
    rows, columns = np.mgrid[0:height, 0:width]
    drawn = np.dstack((rows * 255 // height, columns * 255 // width, (rows + columns) * 4 % 256))
    inside = ((rows - height / 2) / (height / 3)) ** 2 + ((columns - width / 2) / (width / 4)) ** 2 < 1
    drawn[inside] = (230, 180, 150)
    return drawn.astype(np.uint8)


def exif(orientation: int = 6) -> bytes:
    """EXIF with an orientation and nothing else."""
    return Image.Exif.tobytes(_exif(orientation))


def _exif(orientation: int) -> Image.Exif:
    content = Image.Exif()
    content[0x0112] = orientation
    return content


def encoded(kind: str, image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or Image.fromarray(picture())).save(file, kind, **options)
    return file.getvalue()


def in_mode(mode: str) -> Image.Image:
    return Image.fromarray(picture()).convert(mode)


def jpeg() -> Seeds:
    plain = encoded("JPEG", quality=70)
    progressive = encoded("JPEG", quality=70, progressive=True)
    yield "420", plain
    yield "444", encoded("JPEG", quality=95, subsampling=0)
    yield "422", encoded("JPEG", quality=60, subsampling=1, optimize=True)
    yield "gray", encoded("JPEG", in_mode("L"))
    yield "gray_progressive", encoded("JPEG", in_mode("L"), progressive=True)
    yield "cmyk", encoded("JPEG", in_mode("CMYK"))
    yield "cmyk_progressive", encoded("JPEG", in_mode("CMYK"), progressive=True)
    yield "rgb", encoded("JPEG", keep_rgb=True)
    yield "progressive", progressive
    yield "restarts", encoded("JPEG", restart_marker_blocks=1)
    yield "exif", encoded("JPEG", exif=_exif(6), comment=b"a comment")
    yield "icc", encoded("JPEG", icc_profile=bytes(600))
    yield "large", encoded("JPEG", Image.fromarray(picture(300, 200)), progressive=True)
    quantisation = plain.index(b"\xff\xdb")
    yield "tem", plain[:quantisation] + b"\xff\x01" + plain[quantisation:]
    yield "fill", plain[:quantisation] + b"\xff" * 9 + plain[quantisation:]
    yield "tem_between_scans", progressive.replace(b"\xff\xda", b"\xff\x01\xff\xda")
    yield "end_doubled", plain + plain
    yield "cut", progressive[: len(progressive) * 2 // 3]
    yield "no_tables", plain.replace(b"\xff\xc4", b"\xff\xec")
    frame, scan = plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")
    # The height comes after the first scan (T.81, B.2.5).
    lines = plain[: frame + 5] + b"\0\0" + plain[frame + 7 : -2] + b"\xff\xdc\0\4" + struct.pack(">H", HEIGHT)
    yield "dnl", lines + b"\xff\xd9"
    for name, marker in (("extended", 0xC1), ("lossless", 0xC3), ("arithmetic", 0xC9)):
        yield name, plain[: frame + 1] + bytes((marker,)) + plain[frame + 2 :]
    of_frame = progressive.index(b"\xff\xc2")
    yield "arithmetic_progressive", progressive[: of_frame + 1] + b"\xca" + progressive[of_frame + 2 :]
    yield "twelve_bits", plain[: frame + 4] + b"\x0c" + plain[frame + 5 :]
    yield "arithmetic_conditioning", plain[:scan] + b"\xff\xcc\0\4\0\x10" + plain[scan:]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


PNG_KINDS = (
    (0, 1),
    (0, 2),
    (0, 4),
    (0, 8),
    (0, 16),
    (2, 8),
    (2, 16),
    (3, 1),
    (3, 4),
    (3, 8),
    (4, 8),
    (4, 16),
    (6, 8),
    (6, 16),
)
"""Colour type and bits of a sample (PNG specification, 11.2.1)."""
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column, first row, step across, step down."""


def png_samples(colour_type: int, bits: int, width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint16]:
    """(H, W, channels), each sample of `bits` bits."""
    rgb = picture(width, height).astype(np.uint16)
    alpha = np.linspace(0, 255, width, dtype=np.uint16)[None, :, None].repeat(height, 0)
    gray = rgb.mean(axis=2, keepdims=True).astype(np.uint16)
    samples = {0: gray, 2: rgb, 3: gray, 4: np.dstack((gray, alpha)), 6: np.dstack((rgb, alpha))}[colour_type]
    scaled: NDArray[np.uint16] = (samples * 257 >> 16 - bits).astype(np.uint16)
    return scaled


def png_pixels(samples: NDArray[np.uint16], bits: int, interlaced: bool = False) -> bytes:
    """Rows with their filter types, deflated; the filter type is the row's number modulo 5, on samples as they are."""
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = []
    for left, top, across, down in passes:
        for number, row in enumerate(samples[top::down, left::across]):
            if row.size == 0:
                continue
            if bits == 16:
                packed = row.astype(">u2").tobytes()
            elif bits == 8:
                packed = row.astype(np.uint8).tobytes()
            else:
                each = np.unpackbits(row.astype(np.uint8).reshape(-1, 1), axis=1)[:, 8 - bits :]
                packed = np.packbits(each).tobytes()
            rows.append(bytes((number % 5,)) + packed)
    return zlib.compress(b"".join(rows), 9)


def png(
    colour_type: int,
    bits: int,
    *,
    interlaced: bool = False,
    before_pixels: Sequence[bytes] = (),
    after_pixels: Sequence[bytes] = (),
) -> bytes:
    samples = png_samples(colour_type, bits)
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, bits, colour_type, 0, 0, int(interlaced))
    parts = [chunk(b"IHDR", header)]
    if colour_type == 3:
        parts.append(chunk(b"PLTE", np.arange(3 << bits, dtype=np.uint16).astype(np.uint8).tobytes()))
    pixels = chunk(b"IDAT", png_pixels(samples, bits, interlaced))
    return b"".join(
        (b"\x89PNG\r\n\x1a\n", *parts, *before_pixels, pixels, *after_pixels, chunk(b"IEND", b""))
    )


def animated_png(
    colour_type: int, bits: int, dispose: int, blend: int, default_is_frame: bool = True
) -> bytes:
    """Three frames: all of the canvas, a part at (5, 3), a part in the corner."""
    number = 0
    before = [chunk(b"acTL", struct.pack(">II", 3, 0))]
    after: list[bytes] = []
    for width, height, left, top in ((WIDTH, HEIGHT, 0, 0), (9, 7, 5, 3), (4, 4, WIDTH - 4, HEIGHT - 4)):
        control = struct.pack(">IIIIIHHBB", number, width, height, left, top, 1, 25, dispose, blend)
        number += 1
        if width == WIDTH and default_is_frame:
            before.append(chunk(b"fcTL", control))
            continue
        pixels = png_pixels(png_samples(colour_type, bits, width, height), bits)
        after += [chunk(b"fcTL", control), chunk(b"fdAT", struct.pack(">I", number) + pixels)]
        number += 1
    return png(colour_type, bits, before_pixels=before, after_pixels=after)


def png_files() -> Seeds:
    for colour_type, bits in PNG_KINDS:
        name = f"type{colour_type}_{bits}bit"
        yield name, png(colour_type, bits)
        yield f"{name}_interlaced", png(colour_type, bits, interlaced=True)
        # Three of the combinations, each colour type with all of them.
        for dispose, blend in ((0, 0), (1, 1), (2, 0)):
            if bits in (8, 16) or (colour_type, bits) in ((0, 1), (3, 4)):
                yield f"{name}_animated_{dispose}{blend}", animated_png(colour_type, bits, dispose, blend)
    yield "animated_default_apart", animated_png(2, 8, 0, 1, default_is_frame=False)
    yield "gray_trns", png(0, 8, before_pixels=[chunk(b"tRNS", b"\0\x40")])
    yield "gray16_trns", png(0, 16, before_pixels=[chunk(b"tRNS", b"\x40\0")])
    yield "rgb_trns", png(2, 8, before_pixels=[chunk(b"tRNS", b"\0\x10\0\x20\0\x30")])
    yield "rgb16_trns", png(2, 16, before_pixels=[chunk(b"tRNS", b"\x10\0\x20\0\x30\0")])
    # libpng leaves out a chunk whose sum is wrong, where a picture can do without.
    wrong_sum = chunk(b"tRNS", b"\0\x10\0\x20\0\x30")[:-1] + b"?"
    yield "rgb_trns_wrong_sum", png(2, 8, before_pixels=[wrong_sum])
    yield "palette_trns", png(3, 8, before_pixels=[chunk(b"tRNS", bytes(range(0, 256, 2)))])
    profile = b"icc\0\0" + zlib.compress(bytes(200))
    colours = [
        chunk(b"gAMA", struct.pack(">I", 45455)),
        chunk(b"cHRM", struct.pack(">8I", *range(10000, 90000, 10000))),
        chunk(b"iCCP", profile),
        chunk(b"sBIT", b"\5\6\5"),
        chunk(b"bKGD", b"\0\1\0\2\0\3"),
        chunk(b"pHYs", struct.pack(">IIB", 2835, 2835, 1)),
        chunk(b"cICP", b"\1\x0d\0\1"),
    ]
    yield "colours", png(2, 8, before_pixels=colours)
    texts = [
        chunk(b"tEXt", b"Title\0drawn"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 50)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>"),
        chunk(b"tIME", b"\x07\xea\1\1\0\0\0"),
    ]
    yield "texts_before", png(2, 8, before_pixels=texts)
    yield "texts_after", png(2, 8, after_pixels=texts)
    yield "exif", png(2, 8, before_pixels=[chunk(b"eXIf", exif().removeprefix(b"Exif\0\0"))])
    yield "exif_after", png(2, 8, after_pixels=[chunk(b"eXIf", exif().removeprefix(b"Exif\0\0"))])
    yield "pixels_split", _in_two_chunks(png(2, 8))


def _in_two_chunks(whole: bytes) -> bytes:
    at = whole.index(b"IDAT")
    (length,) = struct.unpack_from(">I", whole, at - 4)
    content = whole[at + 4 : at + 4 + length]
    return (
        whole[: at - 4]
        + chunk(b"IDAT", content[:20])
        + chunk(b"IDAT", content[20:])
        + whole[at + 8 + length :]
    )


def webp() -> Seeds:
    frames = [Image.fromarray(np.roll(picture(), shift, 1)) for shift in (3, 9)]
    yield "lossy", encoded("WEBP", quality=70)
    yield "lossless", encoded("WEBP", lossless=True)
    yield "lossy_alpha", encoded("WEBP", _with_alpha(), quality=70)
    yield "lossless_alpha", encoded("WEBP", _with_alpha(), lossless=True, exact=True)
    yield "palette", encoded("WEBP", in_mode("RGB").quantize(5).convert("RGB"), lossless=True)
    yield "exif", encoded("WEBP", exif=exif(), xmp=b"<x:xmpmeta/>", icc_profile=bytes(128))
    yield "animated", encoded("WEBP", save_all=True, append_images=frames, quality=60)
    yield (
        "animated_lossless",
        encoded("WEBP", _with_alpha(), save_all=True, append_images=frames, lossless=True),
    )
    yield "animated_mixed", encoded("WEBP", save_all=True, append_images=frames, allow_mixed=True)
    yield "large", encoded("WEBP", Image.fromarray(picture(300, 200)), quality=40, method=6)
    yield "alpha_filtered", encoded("WEBP", _with_alpha(), quality=30, alpha_quality=50)


def _with_alpha() -> Image.Image:
    image = in_mode("RGBA")
    image.putalpha(Image.fromarray(png_samples(4, 8)[:, :, 1].astype(np.uint8)))
    return image


def gif() -> Seeds:
    palette = in_mode("P")
    frames = [Image.fromarray(np.roll(picture(), shift, 1)).convert("P") for shift in (3, 9)]
    plain = encoded("GIF", palette, interlace=0)
    yield "plain", plain
    yield "interlaced", encoded("GIF", palette, interlace=1)
    yield "gray", encoded("GIF", in_mode("L"))
    yield "black_and_white", encoded("GIF", in_mode("1"))
    yield "comment", encoded("GIF", palette, comment=b"a comment" * 40)
    for disposal in (0, 1, 2, 3):
        yield (
            f"animated_{disposal}",
            encoded(
                "GIF",
                palette,
                save_all=True,
                append_images=frames,
                disposal=disposal,
                loop=0,
                transparency=3,
                duration=40,
            ),
        )
    colours = 13 + (3 << 1 + (plain[10] & 7))
    first = plain.index(b",", colours)
    yield "padded", plain[:first] + b"\0" * 5 + plain[first:]
    left, top, width, height, flags = struct.unpack_from("<HHHHB", plain, first + 1)
    yield (
        "frame_beyond_screen",
        plain[: first + 1] + struct.pack("<HHHHB", 9, 9, width, height, flags) + plain[first + 10 :],
    )
    local = plain[:10] + b"\0\0\0" + plain[colours : first + 9]
    yield "local_palette", local + bytes((plain[10] & 0x87,)) + plain[13:colours] + plain[first + 10 :]
    yield "gif87", b"GIF87a" + plain[6:]
    assert (left, top) == (0, 0)


def bitmap(
    bits: int, compression: int, pixels: bytes, *, header: int = 40, masks: bytes = b"", down: bool = False
) -> bytes:
    """A BMP with a BITMAPINFOHEADER, or with the OS/2 header of 12 bytes."""
    colours = (
        b"".join(struct.pack("<BBBB", n, 255 - n, n // 2, 0) for n in range(0, 256, 256 >> bits))
        if bits <= 8
        else b""
    )
    if header == 12:
        colours = b"".join(colours[at : at + 3] for at in range(0, len(colours), 4))
        info = struct.pack("<IHHHH", 12, WIDTH, HEIGHT, 1, bits)
    else:
        height = -HEIGHT if down else HEIGHT
        entries = len(colours) // 4
        info = struct.pack(
            "<IiiHHIIiiII", 40, WIDTH, height, 1, bits, compression, len(pixels), 2835, 2835, entries, 0
        )
    offset = 14 + len(info) + len(masks) + len(colours)
    return struct.pack("<2sIHHI", b"BM", offset + len(pixels), 0, 0, offset) + info + masks + colours + pixels


def bmp() -> Seeds:
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield f"mode_{mode}", encoded("BMP", in_mode(mode))
    run8 = b"".join(b"\x08\x10\x0a\x20\x00\x06\1\2\3\4\5\6\0\0" for _ in range(HEIGHT)) + b"\0\1"
    yield "rle8", bitmap(8, 1, run8)
    yield "rle8_delta", bitmap(8, 1, b"\x04\x07\0\2\3\2" + run8[40:])
    yield "rle4", bitmap(4, 2, b"\x10\x12\x00\x05\x12\x34\x50\x00\x03\x77\0\0" * HEIGHT + b"\0\1")
    yield "os2", bitmap(8, 0, bytes(range(WIDTH)) * HEIGHT, header=12)
    yield "os2_rgb", bitmap(24, 0, picture().tobytes(), header=12)
    yield "top_down", bitmap(24, 0, picture().tobytes(), down=True)
    yield "rgb555", bitmap(16, 0, bytes(range(2 * WIDTH)) * HEIGHT)
    yield (
        "rgb565",
        bitmap(16, 3, bytes(range(2 * WIDTH)) * HEIGHT, masks=struct.pack("<III", 0xF800, 0x7E0, 0x1F)),
    )
    yield (
        "bitfields",
        bitmap(32, 3, bytes(4 * WIDTH * HEIGHT), masks=struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)),
    )
    yield "two_bits", bitmap(2, 0, bytes(8) * HEIGHT)


TIFF_TYPES = {3: "H", 4: "I", 11: "f", 16: "Q"}


def tiff_file(
    tags: dict[int, tuple[int, Sequence[float]]],
    pixels: Sequence[bytes],
    *,
    order: str = "<",
    big: bool = False,
) -> bytes:
    """A TIFF of one directory. 273 and 279 (strips), or 324 and 325 (tiles) are filled in.

    `tags` is from a tag to its type, SHORT 3, LONG 4 or LONG8 16, and its values.
    """
    tiled = 322 in tags
    word, head = ("Q", 16) if big else ("I", 8)
    starts = [head + sum(map(len, pixels[:number])) for number in range(len(pixels))]
    kind = 16 if big else 4
    tags = tags | {
        324 if tiled else 273: (kind, starts),
        325 if tiled else 279: (kind, [len(part) for part in pixels]),
    }
    directory_at = head + sum(map(len, pixels))
    directory_at += directory_at % 2
    entry = 20 if big else 12
    outside_at = directory_at + (8 if big else 2) + entry * len(tags) + (8 if big else 4)
    entries, outside = b"", b""
    for tag, (kind, values) in sorted(tags.items()):
        content = struct.pack(f"{order}{len(values)}{TIFF_TYPES[kind]}", *values)
        if len(content) > struct.calcsize(word):
            place = struct.pack(f"{order}{word}", outside_at + len(outside))
            outside += content + b"\0" * (len(content) % 2)
        else:
            place = content.ljust(struct.calcsize(word), b"\0")
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(values)) + place
    start = {"<": b"II", ">": b"MM"}[order]
    magic = (
        struct.pack(f"{order}HHHQ", 43, 8, 0, directory_at)
        if big
        else struct.pack(f"{order}HI", 42, directory_at)
    )
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    last = struct.pack(f"{order}{word}", 0)
    body = (start + magic + b"".join(pixels)).ljust(directory_at, b"\0")
    return body + count + entries + last + outside


def tiff_tags(
    bits: Sequence[int], photometric: int, **more: tuple[int, Sequence[float]]
) -> dict[int, tuple[int, Sequence[float]]]:
    tags: dict[int, tuple[int, Sequence[float]]] = {
        256: (3, [WIDTH]),
        257: (3, [HEIGHT]),
        258: (3, bits),
        259: (3, [1]),
        262: (3, [photometric]),
        277: (3, [len(bits)]),
        278: (3, [HEIGHT]),
    }
    return tags | {int(name.removeprefix("t")): value for name, value in more.items()}


def tiff() -> Seeds:
    for compression in (
        "raw",
        "tiff_lzw",
        "tiff_adobe_deflate",
        "packbits",
        "jpeg",
        "zstd",
        "tiff_deflate",
        "lzma",
    ):
        yield f"rgb_{compression}", encoded("TIFF", compression=compression)
    for compression in ("group3", "group4", "tiff_ccitt"):
        yield f"bilevel_{compression}", encoded("TIFF", in_mode("1"), compression=compression)
    for mode in ("1", "L", "LA", "P", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I", "F"):
        image = in_mode("RGB").convert("L").convert(mode) if mode in ("I", "F") else None
        yield f"mode_{mode}", encoded("TIFF", image or in_mode(mode))
    yield "ycbcr_jpeg", encoded("TIFF", in_mode("YCbCr"), compression="jpeg")
    yield "exif", encoded("TIFF", exif=_exif(5), description="drawn")
    yield "pages", encoded("TIFF", save_all=True, append_images=[in_mode("L")])
    yield "big_by_pillow", encoded("TIFF", big_tiff=True)
    wide = (picture().mean(axis=2) * 257).astype(np.uint16)
    for polarity, name in ((0, "white_is_zero"), (1, "black_is_zero")):
        for order, ending in (("<", "little"), (">", "big")):
            pixels = wide.astype(f"{order}u2").tobytes()
            yield f"gray16_{name}_{ending}", tiff_file(tiff_tags([16], polarity), [pixels], order=order)
        twelve = np.unpackbits((wide >> 4).astype(">u2").view(np.uint8).reshape(HEIGHT, WIDTH, 2), axis=2)[
            :, :, 4:
        ]
        yield (
            f"gray12_{name}",
            tiff_file(tiff_tags([12], polarity), [np.packbits(twelve, axis=None).tobytes()]),
        )
        four = np.packbits(
            np.unpackbits((wide >> 12).astype(np.uint8)[:, :, None], axis=2)[:, :, 4:], axis=None
        )
        yield f"gray4_{name}", tiff_file(tiff_tags([4], polarity), [four.tobytes()])
    tiles = [np.resize(picture(16, 16), (16, 16, 3)).tobytes()] * 2
    tiling: dict[str, Any] = {"t322": (3, [16]), "t323": (3, [16])}
    yield "tiles", tiff_file(tiff_tags([8, 8, 8], 2, **tiling), tiles)
    yield "tiles_big", tiff_file(tiff_tags([8, 8, 8], 2, **tiling), tiles, big=True, order=">")
    rows = [picture()[row : row + 4].tobytes() for row in range(0, HEIGHT, 4)]
    yield "strips", tiff_file(tiff_tags([8, 8, 8], 2, t278=(3, [4])), rows)
    planes = [np.ascontiguousarray(picture()[:, :, band]).tobytes() for band in range(3)]
    yield "planes", tiff_file(tiff_tags([8, 8, 8], 2, t284=(3, [2])), planes)
    yield "big", tiff_file(tiff_tags([8, 8, 8], 2), [picture().tobytes()], big=True)
    yield "rgb16", tiff_file(tiff_tags([16, 16, 16], 2), [(picture().astype("<u2") * 257).tobytes()])
    yield "bits_not_a_number", tiff_file(tiff_tags([8], 1, t258=(11, [math.nan])), [bytes(WIDTH * HEIGHT)])
    yield "signed", tiff_file(tiff_tags([16], 1, t339=(3, [2])), [wide.tobytes()])
    yield (
        "palette",
        tiff_file(tiff_tags([8], 3, t320=(3, list(range(0, 65280, 85)))), [bytes(range(WIDTH)) * HEIGHT]),
    )
    yield "turned", tiff_file(tiff_tags([8, 8, 8], 2, t274=(3, [6])), [picture().tobytes()])
    yield "associated_alpha", tiff_file(tiff_tags([8] * 4, 2, t338=(3, [1])), [bytes(4 * WIDTH * HEIGHT)])
    yield "fill_order", tiff_file(tiff_tags([1], 0, t266=(3, [2])), [bytes(range(3)) * HEIGHT])


def avif() -> Seeds:
    frames = [Image.fromarray(np.roll(picture(), shift, 1)) for shift in (3, 9)]
    plain = encoded("AVIF", quality=60)
    yield "420", plain
    yield "444", encoded("AVIF", quality=80, subsampling="4:4:4")
    yield "gray", encoded("AVIF", in_mode("L"), subsampling="4:0:0")
    yield "alpha", encoded("AVIF", _with_alpha(), quality=60)
    yield "exif", encoded("AVIF", exif=exif(), icc_profile=bytes(128), xmp=b"<x:xmpmeta/>")
    yield "animated", encoded("AVIF", save_all=True, append_images=frames)
    yield "tiled", encoded("AVIF", Image.fromarray(picture(200, 150)), tile_cols=1, tile_rows=1, quality=30)
    for brand in (b"mif1", b"miaf", b"MA1B", b"avis"):
        yield f"major_{brand.decode()}", plain[:8] + brand + plain[12:]


def heif() -> Seeds:
    def saved(*images: Image.Image, **options: Any) -> bytes:
        file = io.BytesIO()
        container = pillow_heif.from_pillow(images[0])
        for image in images[1:]:
            container.add_from_pillow(image)
        container.save(file, **options)
        return file.getvalue()

    plain = saved(in_mode("RGB"), quality=50)
    yield "420", plain
    yield "444", saved(in_mode("RGB"), quality=80, chroma=444)
    yield "gray", saved(in_mode("L"), quality=50)
    yield "alpha", saved(_with_alpha(), quality=50)
    yield "exif", saved(in_mode("RGB"), quality=50, exif=exif(), xmp=b"<x:xmpmeta/>")
    yield "two_images", saved(in_mode("RGB"), in_mode("L"), quality=50)
    yield "lossless", saved(in_mode("RGB"), quality=-1)
    yield "large", saved(Image.fromarray(picture(200, 150)), quality=20)
    for brand in (b"mif1", b"msf1", b"heix", b"hevc"):
        yield f"major_{brand.decode()}", plain[:8] + brand + plain[12:]


def form(*parts: bytes, boundary: bytes = b"x", preamble: bytes = b"", epilogue: bytes = b"") -> bytes:
    """A multipart body; each part is its headers, an empty line, and its content."""
    opened = b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts)
    return preamble + opened + b"--" + boundary + b"--\r\n" + epilogue


PHOTO_PART = (
    b'Content-Disposition: form-data; name="file"; filename="/srv/nc/tmp/oc_tmp_6fbe56"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n"
)
FACE_PART = b'Content-Disposition: form-data; name="face"\r\n\r\n'
FACE = b'{"left":102,"right":175,"top":167,"bottom":240,"detection_confidence":1.1}'


def multipart() -> Seeds:
    kind = b"multipart/form-data; boundary=x\n"
    photo = PHOTO_PART + b"bytes\r\n--of a photo\0\xff"
    yield "detect", kind + form(photo)
    yield "compute", kind + form(photo, FACE_PART + FACE)
    yield (
        "quoted",
        b'multipart/form-data; boundary="a b"; charset=utf-8\n'
        + form(photo, FACE_PART + FACE, boundary=b"a b"),
    )
    yield "curl", kind.replace(b"=x", b"=" + b"-" * 24 + b"a1") + form(photo, boundary=b"-" * 24 + b"a1")
    yield "preamble", kind + form(photo, preamble=b"a preamble\r\n", epilogue=b"an epilogue")
    extended = (
        b"Content-Disposition: form-data; name=file; filename*=UTF-8''na%C3%AFve%20photo.jpg\r\n\r\nphoto"
    )
    yield "extended", kind + form(extended, FACE_PART + FACE)
    other = b"Content-Disposition: form-data; name=%s; filename=%s\r\n\r\nphoto"
    yield "continued", kind + form(other % (b"file", b'"a"; filename*0="b"; filename*1="c"'))
    yield "face_as_file", kind + form(photo, other % (b"face", b"f") + FACE)
    yield "latin1", kind.replace(b"\n", b"; charset=latin-1\n") + form(photo, FACE_PART + b"\xe9")
    yield "many", kind + form(*[FACE_PART + b"1"] * 40)
    yield "cut", kind + form(photo)[:-9]
    yield "no_parts", kind + form()
    yield "urlencoded", b"application/x-www-form-urlencoded\nfile=a&face=b"
    yield "large", kind + form(PHOTO_PART + bytes(range(256)) * 20)


def http() -> Seeds:
    head = b"Host: 127.0.0.1:5000\r\nAccept: */*\r\nx-api-key: k\r\n"
    photo = form(PHOTO_PART + png(2, 8))
    compute = form(PHOTO_PART + png(0, 8), FACE_PART + b'{"left":2,"right":9,"top":2,"bottom":9}')
    kind = b"Content-Type: multipart/form-data; boundary=x\r\n"
    for path in (b"open", b"health", b"ready", b"welcome", b"info", b"metrics", b"nowhere"):
        yield f"get_{path.decode()}", b"GET /%s HTTP/1.1\r\n%s\r\n" % (path, head)
    yield "head", b"HEAD //open HTTP/1.1\r\n%s\r\n" % head
    yield "head_and_more", b"HEAD /open HTTP/1.1\r\n%s\r\nrubbish\r\n\r\n" % head
    yield "head_of_another_version", b"HEAD /open HTTP/0.1\r\n%s\r\n" % head
    yield "old", b"GET /open?a=b HTTP/1.0\r\nx-api-key:k\r\n\r\n"
    yield "options", b"OPTIONS * HTTP/1.1\r\n%s\r\n" % head
    yield "absolute", b"GET http://127.0.0.1:5000/open HTTP/1.1\r\n%s\r\n" % head
    yield "two", 2 * (b"GET /open HTTP/1.1\r\n%s\r\n" % head)
    detect = b"POST /detect HTTP/1.1\r\n" + head + kind
    yield "detect", detect + b"Content-Length: %d\r\n\r\n" % len(photo) + photo
    yield (
        "compute",
        b"POST /compute HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (head, kind, len(compute), compute),
    )
    yield "continue", detect + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo
    half = len(photo) // 2
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in (photo[:half], photo[half:]))
    chunked = detect + b"Transfer-Encoding: chunked\r\n"
    yield "chunked", chunked + b"\r\n" + chunks + b"0\r\nTrailer: a\r\n\r\n"
    yield "broken_chunk", chunked + b"\r\n" + chunks + b"rubbish\r\n"
    yield "both_lengths", chunked + b"Content-Length: 5\r\n\r\n" + chunks + b"0\r\n\r\n"
    yield (
        "no_key",
        detect.replace(b"x-api-key: k\r\n", b"") + b"Content-Length: %d\r\n\r\n" % len(photo) + photo,
    )
    yield "cut", detect + b"Content-Length: 99999\r\n\r\n" + photo
    yield "too_large", detect + b"Content-Length: 99999999999\r\n\r\n" + photo
    yield "close", b"GET /open HTTP/1.1\r\n%sConnection: close\r\n\r\nGET /open HTTP/1.1\r\n\r\n" % head
    yield "upgrade", b"GET /open HTTP/1.1\r\n%sConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" % head
    yield "tls", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64))
    yield "two_hosts", b"GET /open HTTP/1.1\r\nHost: a\r\n%s\r\n" % head
    yield "folded", b"GET /open HTTP/1.1\r\n%sX-Long: a\r\n b\r\n\r\n" % head
    yield "bare_lines", b"\n\nGET /open HTTP/1.1\n" + head.replace(b"\r", b"") + b"\n"


def face() -> Seeds:
    yield "app", FACE
    yield "strings", b'{"left":"102","right":"175","top":"-7","bottom":"240"}'
    yield "floats", b'{"left":102.0,"right":175.0,"top":1.67e2,"bottom":240.0}'
    yield (
        "more",
        b'{"left":-5,"right":16777216,"top":0,"bottom":1,"a":[{"b":null},true,"\\u00e9\\ud83d\\ude00"]}',
    )
    yield "utf16", '{"left":1,"right":2,"top":1,"bottom":2,"n":"é"}'.encode("utf-16")
    yield "utf32", '{"left":1,"right":2,"top":1,"bottom":2}'.encode("utf-32-be")
    yield "marked", b"\xef\xbb\xbf" + FACE
    yield "nested", FACE[:-1] + b',"a":' + b"[" * 50 + b"]" * 50 + b"}"
    yield "list", b"[1,2,3]"
    yield "twice", FACE[:-1] + b',"left":0}'


def dat_network() -> Seeds:
    yield "descriptor", dat_files.descriptor()
    yield "descriptor_newest", dat_files.descriptor(newest=True)
    yield "descriptor_normalised", dat_files.descriptor(batch_normalisation=True)
    yield "detector", dat_files.detector()
    yield "detector_newest", dat_files.detector(newest=True)


def dat_predictor() -> Seeds:
    yield "stump", dat_files.predictor(splits=1)
    yield "small", dat_files.predictor()
    yield "deep", dat_files.predictor(splits=7)


def dat_hog() -> Seeds:
    yield "one_part", dat_files.hog_detector()


def manifest() -> Seeds:
    facts = {
        "window_width": 80,
        "window_height": 80,
        "suppression_overlap": 0.3,
        "suppression_covered": 1.0,
        "mean": [122.7, 117.0, 104.3],
        "padding": 10,
        "outer_padding": 11,
        "pyramid_rate": 6,
        "threshold": 0.0,
        "form": ["tiled"],
    }
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    whole = {
        "name": "dlib_face_recognition_resnet_model_v1",
        "converter": 4,
        "opset": 17,
        "source_sha256": "0" * 64,
        "graph_sha256": empty,
        "proof": {
            "reference": "dlib 20.0.1",
            "inputs": 9,
            "photos": 0,
            "largest_difference": {"descriptors": 1e-6},
            "tolerance": {"descriptors": 1e-5},
        },
    }
    yield "network", json.dumps(whole | {"detector": None}).encode()
    yield "detector", json.dumps(whole | {"detector": facts}, indent=2).encode()


def keys() -> Seeds:
    yield "one", b"NZ9ciQuH0djnyyTcsDhNL7so6SVrR01znNnv0iXLrSk=\n"
    yield "several", b"\xef\xbb\xbfone key\r\n\r\n# a comment\n  another key \n"
    yield "not_ascii", "clé à molette\n鍵\n".encode()
    yield "latin1", "clé\n".encode("latin-1")
    yield "utf16", "a key\n".encode("utf-16")
    yield "empty", b"\n \t\n"


MAKERS = {
    "jpeg": jpeg,
    "png": png_files,
    "webp": webp,
    "gif": gif,
    "bmp": bmp,
    "tiff": tiff,
    "avif": avif,
    "heif": heif,
    "multipart": multipart,
    "http": http,
    "face": face,
    "dat-network": dat_network,
    "dat-predictor": dat_predictor,
    "dat-hog": dat_hog,
    "manifest": manifest,
    "keys": keys,
}


def main() -> None:
    for target, make in MAKERS.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in make():
            (folder / name).write_bytes(data)


if __name__ == "__main__":
    main()
