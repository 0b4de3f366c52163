"""Limits of memory and CPU time against the estimates for every accepted format."""

import resource
import signal

import pytest

from service.decoders import limits
from service.images.formats.isobmff import PEAK_OF_THREADS, PEAK_PER_PIXEL
from service.images.memory import FORMATS, Header, decoding_bytes


@pytest.mark.parametrize("kind", sorted(FORMATS))
@pytest.mark.parametrize("side", [1, 1000, 16_000])
def test_the_limit_exceeds_the_estimate(kind: str, side: int) -> None:
    found = Header(side, side, kind)
    assert limits.data_bytes(10**6, found) > decoding_bytes(found) + 4 * 10**6
    assert limits.data_bytes(0, found) < 1.3 * decoding_bytes(found) + limits.FIXED_BYTES


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("side", [1, 1000, 16_000])
def test_the_limit_includes_the_checks_of_the_readers(kind: str, side: int) -> None:
    room = PEAK_PER_PIXEL * side * side + PEAK_OF_THREADS
    assert limits.data_bytes(0, Header(side, side, kind)) > room


@pytest.mark.parametrize(
    ("megapixels", "megabytes"), [(0.3, 0.06), (1.2, 0.3), (8.3, 6), (50, 60), (256, 128)]
)
def test_valid_photos_have_twenty_times_their_cpu_time(megapixels: float, megabytes: float) -> None:
    found = Header(int(megapixels * 1e6), 1, "PNG")
    assert limits.cpu_seconds(int(megabytes * 1e6), found) > 20 * 0.025 * megapixels


def test_the_limits_are_lifted_afterwards() -> None:
    memory = limits.OwnMemory()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    present = memory.data()
    assert present is not None
    with limits.applied(memory, 1000, None):
        soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
        assert 0 < soft - present < limits.data_bytes(1000, None) + (1 << 20)
        assert signal.getitimer(signal.ITIMER_PROF)[0] > 1
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert signal.getitimer(signal.ITIMER_PROF)[0] == 0
