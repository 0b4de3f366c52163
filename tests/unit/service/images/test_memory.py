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
Image.fromarray(np.zeros((8000, 8000, 3), np.uint8)).save(photo, sys.argv[1])
pages = int(open("/proc/self/statm").read().split()[0])
limit = pages * resource.getpagesize() + 64 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    images.decode(photo.getvalue(), maximum_area=10**9, honour_orientation=True)
except MemoryError:
    print("no memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and other systems do not hold to the limit")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_an_allocation_that_fails_is_a_memory_error(kind: str) -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, kind], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "no memory"
