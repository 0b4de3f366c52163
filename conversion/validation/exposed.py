"""A copy of a detector's file in which dlib reports every score of its map, not only the faces.

dlib's Python module gives neither scores under zero nor what suppression took away. Both are data of the file:
the last convolution's bias, raised, lifts every score over zero, and a suppression threshold of 1 suppresses
nothing.
"""

import struct

from conversion.dat.layers import Conv
from conversion.dat.read_network import Network

RAISE = 8.0
"""Added to every score: more than the lowest lie under zero (seen: -6.1; one under -8 is left out on both sides),
and a power of two, small enough that a score keeps its first six digits."""

_ONE = b"\x01\x10\x81\x04"
"""1.0 as dlib packs it: a mantissa of 16 and an exponent of -4, each after its control byte."""


def exposed(data: bytes, network: Network) -> bytes:
    """The file `data`, which `network` was read from, with scores raised by RAISE and suppression off."""
    last, options = network.layers[-1], network.options
    if not isinstance(last, Conv) or options is None:
        raise TypeError("not a detector's network")
    bias = last.stored[0].offset + last.weights.nbytes
    raised = struct.pack("<f", float(last.bias[0]) + RAISE)
    data = data[:bias] + raised + data[bias + len(raised) :]
    start, end = options.suppression_bytes
    return data[:start] + _ONE + _ONE + data[end:]
