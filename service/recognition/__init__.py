"""Face recognition as a library: an RGB array in, faces out; no HTTP and no asyncio.

Entry point: `factory.open_recognizer`, which returns a `recognizer.Recognizer`.
"""

from service.kernel import remove_denied_affinity

remove_denied_affinity()  # before any module of this package imports numba
