"""Face recognition as a library: an RGB array in, faces out; no HTTP and no asyncio.

Entry points: `factory.open_recognizer`, which gives a `recognizer.Recognizer`.
"""

from service.kernel import remove_denied_affinity

remove_denied_affinity()  # before any module of this package imports numba
