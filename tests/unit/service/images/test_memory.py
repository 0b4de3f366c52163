"""A machine without memory is no fault of the photo, which is tried again."""

import subprocess
import sys

import pytest

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
