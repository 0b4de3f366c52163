"""Division of the cores among photos, and waiting only while none is free."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from service.recognition.compute import cores as module
from service.recognition.compute.cores import Cores

Opened = Callable[..., Cores]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens the cores of a machine with this number of them."""
    with ExitStack() as stack:

        def of_machine(number: int, threads: int = 0) -> Cores:
            monkeypatch.setattr(module, "computing_cores", lambda: number)
            return stack.enter_context(closing(Cores(threads)))

        yield of_machine


@pytest.mark.parametrize(
    ("number", "threads", "widths"),
    [
        (1, 0, (1,)),
        (2, 0, (1, 2)),
        (6, 0, (1, 3, 6)),
        (16, 0, (1, 2, 4, 8, 16)),
        (2, 1, (1,)),
        (4, 2, (2,)),
        (2, 8, (8,)),
    ],
)
def test_widths_are_halves_of_all_cores(
    opened: Opened, number: int, threads: int, widths: tuple[int, ...]
) -> None:
    cores = opened(number, threads)
    assert cores.widths == widths
    assert cores.total == max(number, threads)


@pytest.mark.parametrize(
    ("photos", "width"), [(0, 8), (1, 8), (2, 4), (3, 2), (4, 2), (5, 1), (8, 1), (9, 1), (100, 1)]
)
def test_each_photo_gets_its_share(opened: Opened, photos: int, width: int) -> None:
    cores = opened(8)
    with ExitStack() as stack:
        for _ in range(photos):
            stack.enter_context(cores.photo())
        with cores.acquired() as acquired:
            assert acquired == width
    with cores.acquired() as acquired:  # no photo is in work
        assert acquired == 8


def test_free_cores_are_acquired_at_once_even_below_a_share(opened: Opened) -> None:
    cores = opened(8)
    with ExitStack() as stack:
        with cores.photo(), cores.photo():
            assert stack.enter_context(cores.acquired()) == 4
        assert stack.enter_context(cores.acquired()) == 4  # alone, and 4 are acquired
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_width, cores)
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
            stack.close()
            assert waiting.result(30) == 8


def test_a_fixed_width_is_always_that_width(opened: Opened) -> None:
    cores = opened(5, threads=2)
    with cores.acquired() as first, ExitStack() as stack:
        assert (first, stack.enter_context(cores.acquired())) == (2, 2)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(_width, cores)  # one core is free, which is not enough
            with pytest.raises(TimeoutError):
                waiting.result(0.1)
            stack.close()
            assert waiting.result(30) == 2


def test_cores_are_released_when_a_run_fails(opened: Opened) -> None:
    cores = opened(2)
    with pytest.raises(MemoryError), cores.photo(), cores.acquired():
        raise MemoryError
    with cores.acquired() as width:
        assert width == 2


def test_a_photo_with_one_core_computes_in_its_own_thread(opened: Opened) -> None:
    cores, here = opened(2), threading.get_ident()

    def where() -> int:
        return cores.executor().submit(threading.get_ident).result()

    with cores.photo():
        assert where() != here
        with cores.photo():
            assert where() == here
    assert opened(2, threads=1).executor().submit(threading.get_ident).result() == here


def _width(cores: Cores) -> int:
    with cores.acquired() as width:
        return width
