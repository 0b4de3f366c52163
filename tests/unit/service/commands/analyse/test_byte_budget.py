"""The byte budget for threads."""

import threading
from concurrent.futures import ThreadPoolExecutor

from service.commands.analyse.byte_budget import ByteBudget

PATIENCE = 30


def test_grants_at_most_its_total_together() -> None:
    budget = ByteBudget(10)
    lock, now, most = threading.Lock(), [0], [0]

    def photo(size: int) -> None:
        with budget.granted(size):
            with lock:
                now[0] += size
                most[0] = max(most[0], now[0])
            threading.Event().wait(0.005)
            with lock:
                now[0] -= size

    with ThreadPoolExecutor(8) as threads:
        [*threads.map(photo, [4, 3, 5, 2, 6, 1] * 5, timeout=PATIENCE)]
    assert 5 < most[0] <= 10


def test_a_photo_over_the_total_is_alone_and_not_overtaken() -> None:
    budget = ByteBudget(10)
    order: list[int] = []
    begun = threading.Event()

    def photo(size: int) -> None:
        begun.set()
        with budget.granted(size):
            order.append(size)

    with ThreadPoolExecutor(2) as threads, budget.granted(1):
        threads.submit(photo, 100)
        assert begun.wait(PATIENCE)
        threading.Event().wait(0.1)  # until it holds the entry
        threads.submit(photo, 2)
        threading.Event().wait(0.1)
        assert order == []
    assert order == [100, 2]
