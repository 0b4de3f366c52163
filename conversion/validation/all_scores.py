"""A modified copy of a detector's file with which dlib reports every score of its map, not only faces.

Dlib's Python module omits scores under zero and suppressed boxes. Both depend on data of the file. A larger bias of the
last convolution raises every score over zero, and overlap thresholds of 1 suppress no box.
"""

import struct

from conversion.dat.layers import Conv
from conversion.dat.read_network import Network

SCORE_OFFSET = 8.0
"""Added to every score. More than the lowest score's distance from zero (measured: -6.1; scores under -8 are omitted on
both sides), and a small power of two, so that a score keeps its first six digits."""

_ONE = b"\x01\x10\x81\x04"
"""1.0 in dlib's packed form: a mantissa of 16 and an exponent of -4, each after its control byte."""


def with_all_scores_reported(data: bytes, network: Network) -> bytes:
    """The file `data` of `network`, with scores raised by SCORE_OFFSET and without suppression."""
    last, options = network.layers[-1], network.options
    if not isinstance(last, Conv) or options is None:
        raise TypeError("not a detector's network")
    bias = last.stored[0].offset + last.weights.nbytes
    raised = struct.pack("<f", float(last.bias[0]) + SCORE_OFFSET)
    data = data[:bias] + raised + data[bias + len(raised) :]
    start, end = options.suppression_bytes
    return data[:start] + _ONE + _ONE + data[end:]
