"""Face recognition as a library: an RGB array in, faces out; no HTTP and no asyncio.

Entry points: `factory.open_recognizer`, which gives a `recognizer.Recognizer`.
"""

import os

try:
    os.sched_getaffinity(0)
except OSError:
    # A sandbox denies the call. numba makes it while it is imported, so before every other module of this package, and
    # Pillow makes it for each AVIF. Both count the cores otherwise if the function is missing, as on other systems.
    del os.sched_getaffinity
except AttributeError:
    pass
