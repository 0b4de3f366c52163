"""A machine without memory is no fault of the photo, which is tried again."""

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

PROGRAM = """
import io, resource, sys
import numpy as np
from PIL import Image
from service import images

photo = io.BytesIO()
Image.fromarray(np.zeros((8000, 8000, 3), np.uint8)).save(photo, sys.argv[1], **eval(sys.argv[3]))
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv[2]) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    images.decode(photo.getvalue(), maximum_area=10**9, honour_orientation=True)
except MemoryError:
    print("no memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and other systems do not hold to the limit")
@pytest.mark.parametrize(
    ("kind", "room", "options"),
    [
        *((kind, 64, {}) for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")),
        # Its decoder takes 380 MB before a pixel is there, and 640 in all.
        *(("JPEG", room, {"progressive": True, "subsampling": 0}) for room in (64, 260, 400, 600)),
    ],
)
def test_an_allocation_that_fails_is_a_memory_error(kind: str, room: int, options: dict[str, object]) -> None:
    """`room` is what there is for it, in MiB."""
    arguments = [kind, str(room), repr(options)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "no memory"


PEAK = """
import sys
from service import images

def decode(path):
    data = open(path, "rb").read()
    needed = images.needed(images.checked_header(data, 10**9))
    images.decode(data, maximum_area=10**9, honour_orientation=True)
    return needed

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])

decode(sys.argv[1])
before = peak()
print(decode(sys.argv[2]), peak() - before)
"""


def _sixteen_bits_with_alpha(side: int) -> bytes:
    return cv2.imencode(".png", np.zeros((side, side, 4), np.uint16))[1].tobytes()


def _animated_webp(side: int) -> bytes:
    frames = [Image.new("RGBA", (side, side), (level, 0, 0, 128)) for level in (0, 255)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("photo", [_sixteen_bits_with_alpha, _animated_webp])
def test_the_largest_kind_of_a_format_takes_what_it_is_said_to_need(
    photo: Callable[[int], bytes], tmp_path: Path
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(photo(16))
    large.write_bytes(photo(3000))
    arguments = [sys.executable, "-c", PEAK, str(small), str(large)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    needed, taken = map(int, done.stdout.split())
    assert 0.8 * needed < taken < 1.05 * needed
