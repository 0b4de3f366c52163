"""Failed allocations are MemoryError, not damage, so that the photo is retried."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pillow_heif import from_bytes

from service.images import decoding
from tests.unit.service.images.conftest import Encode
from tests.unit.service.images.formats import tiffs

pytestmark = pytest.mark.not_quick

PROGRAM = """
import io, resource, sys
import numpy as np
from PIL import Image
from service.images import decoding

photo = io.BytesIO()
Image.fromarray(np.zeros((5000, 5000, 3), np.uint8)).save(photo, sys.argv[1], **eval(sys.argv[3]))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    decoding.decode(photo.getvalue(), maximum_area=10**9, honour_orientation=True)
except MemoryError:
    print("no memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and other systems do not hold to the limit")
@pytest.mark.parametrize(
    ("kind", "room", "options"),
    [(kind, 64, {}) for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")],
)
def test_an_allocation_that_fails_is_a_memory_error(kind: str, room: int, options: dict[str, object]) -> None:
    """`room` is the available memory in MiB."""
    arguments = [kind, str(room), repr(options)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "no memory"


LIMITED = """
import resource, sys
from service.images import decoding

photo = open(sys.argv[1], "rb").read()
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(decoding.decode(photo, maximum_area=10**9, honour_orientation=True).shape)
except (MemoryError, decoding.UndecodableImage) as error:
    print(type(error).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and other systems do not hold to the limit")
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_an_allocation_that_fails_within_libheif_or_libavif(
    kind: str, encode: Encode, tmp_path: Path
) -> None:
    """Without the check before decoding, each of these sizes (MiB) fails in a different way."""
    whole, damaged = tmp_path / "whole", tmp_path / "damaged"
    data = encode(kind, Image.new("RGB", (3000, 3000), (10, 90, 200)))
    whole.write_bytes(data)
    damaged.write_bytes(data[:-20])

    def outcome(path: Path, room: int) -> str:
        arguments = [sys.executable, "-c", LIMITED, str(path), str(room)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    assert [outcome(whole, room) for room in (8, 24, 40, 90)] == ["MemoryError"] * 4
    assert outcome(whole, 1000) == "(3000, 3000, 3)"
    assert outcome(damaged, 2000) == "UndecodableImage"


@pytest.mark.parametrize(
    "message",
    [
        "Pixel allocation failed: Out of memory",
        "Memory allocation error: Unspecified: Allocating 64000015 bytes failed",
    ],
)
@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_memory_taken_by_another_photo_meanwhile(
    kind: str, message: str, encode: Encode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Error texts of libavif and libheif under a limit of address space."""

    def failing(image: Image.Image) -> None:
        raise SyntaxError(message)

    monkeypatch.setattr("service.images.pillow.to_rgb", failing)
    with pytest.raises(MemoryError, match=kind):
        decoding.decode(encode(kind), maximum_area=10**9, honour_orientation=True)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_security_limit_of_libheif_is_not_a_memory_error(encode: Encode) -> None:
    large = encode("HEIF", Image.new("RGB", (1024, 1024)))
    small = large.replace(struct.pack(">II", 1024, 1024), struct.pack(">II", 64, 64))
    with pytest.raises(decoding.UndecodableImage, match="Security limit exceeded"):
        decoding.decode(small, maximum_area=10**9, honour_orientation=True)


PEAK = """
import sys
from service.images import decoding

def decode(path):
    data = open(path, "rb").read()
    needed = decoding.decoding_bytes(decoding.checked_header(data, 10**9))
    decoding.decode(data, maximum_area=10**9, honour_orientation=True)
    return needed

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

decode(sys.argv[1])
before = peak()
print(decode(sys.argv[2]), peak() - before)
"""


@cache
def png_of_16_bits_with_alpha(side: int) -> bytes:
    return cv2.imencode(".png", np.zeros((side, side, 4), np.uint16))[1].tobytes()


@cache
def animated_webp(side: int) -> bytes:
    frames = [Image.new("RGBA", (side, side), (level, 0, 0, 128)) for level in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return file.getvalue()


def deflated_tiff(width: int, height: int, bits: int, *further: int) -> bytes:
    """RGB and the `further` samples in one strip: libtiff holds all of it at once, and Pillow its own."""
    number = 3 + len(further)
    content = zlib.compress(bytes(width * height * number * bits // 8))
    entries = {
        256: (tiffs.LONG, [width]), 257: (tiffs.LONG, [height]), 258: (tiffs.SHORT, [bits] * number),
        259: (tiffs.SHORT, [tiffs.DEFLATE]), 262: (tiffs.SHORT, [2]), 273: (tiffs.LONG, [16]),
        277: (tiffs.SHORT, [number]), 279: (tiffs.LONG, [len(content)]), 338: (tiffs.SHORT, further),
    }  # fmt: skip
    return tiffs.file("<", entries, content)


@cache
def tiff_of_six_samples(side: int) -> bytes:
    return deflated_tiff(side, side, 16, 2, 0, 0)


@cache
def tiff_of_one_wide_row(side: int) -> bytes:
    """15 bits, which numpy unpacks."""
    return deflated_tiff(side * side, 1, 15, 2)


@cache
def progressive_cmyk_jpeg(side: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (side // 8, side // 8, 4), np.uint8)
    image = Image.fromarray(noise.repeat(8, axis=0).repeat(8, axis=1), "CMYK")
    image.save(file, "JPEG", progressive=True, subsampling=0)
    return file.getvalue()


@cache
def heif_with_alpha(side: int) -> bytes:
    """10 bits in four planes of full size."""
    samples = np.full((side, side, 4), 12_345, np.uint16)
    file = io.BytesIO()
    from_bytes("RGBA;16", (side, side), samples.tobytes()).save(file, quality=10, chroma=444)
    return file.getvalue()


@cache
def avif_with_alpha(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGBA", (side, side), (9, 99, 199, 200)).save(file, "AVIF", subsampling="4:4:4", speed=10)
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("encoded", "least"),
    [
        (png_of_16_bits_with_alpha, 0.8),
        (animated_webp, 0.8),
        (tiff_of_six_samples, 0.8),
        (tiff_of_one_wide_row, 0.4),
        (progressive_cmyk_jpeg, 0.8),
        (heif_with_alpha, 0.5),
        (avif_with_alpha, 0.5),  # what is counted includes 12 bits, for which there is no encoder here
    ],
)
def test_the_peak_of_the_largest_kind_matches_the_estimate(
    encoded: Callable[[int], bytes], least: float, tmp_path: Path
) -> None:
    """`least` is a share: a larger estimate would delay other photos without need."""
    names = [tmp_path / "small", tmp_path / "large"]
    for name, side in zip(names, (64, 2000), strict=True):
        name.write_bytes(encoded(side))
    done = subprocess.run([sys.executable, "-c", PEAK, *names], capture_output=True, text=True, check=True)
    counted, taken = map(int, done.stdout.split())
    assert least * counted < taken < 1.05 * counted
