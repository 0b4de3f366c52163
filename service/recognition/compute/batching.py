"""Groups the calls of many threads into batches: an idle device runs a call at once, a busy one gathers.

Nothing here knows what is computed. There are no threads of its own: a caller that finds the device idle runs its
call, those that come meanwhile wait, and when a run ends, the one that has waited longest runs the next batch, its
own call and what fits beside it. So nothing waits for a batch to fill, and no thread can die with calls in its care.
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def _alike(_: object) -> Hashable:
    return None


class Batcher(Generic[Item, Result]):
    """Calls `run` with batches of what many threads ask for. Safe to call from many threads.

    Args:
        run: computes a batch: as many results as items, in their order.
        budget: what the items of a batch may cost together; a costlier item runs alone.
        cost: what an item costs.
        kind: only items of equal kinds share a batch.
        runs: how many batches are computed at the same time.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        budget: float,
        cost: Callable[[Item], float],
        kind: Callable[[Item], Hashable] = _alike,
        runs: int = 1,
    ) -> None:
        self._run = run
        self._budget = budget
        self._cost = cost
        self._kind = kind
        self._idle = runs
        self._sizes: Counter[int] = Counter()
        self._waiting: list[_Call[Item, Result]] = []
        self._changing = threading.Lock()

    def __call__(self, item: Item) -> Result:
        """The result for an item.

        Raises what `run` raises for this item. A batch that fails is halved until the items that fail are found
        and the others have their results: a batch may be too large for the memory, or hold one bad item.
        """
        call = _Call[Item, Result](item)
        with self._changing:
            self._waiting.append(call)
            if self._idle:
                # Whoever waits, waits since all runs are taken: this is the only call that waits.
                self._idle -= 1
                call.woken.set()
        call.woken.wait()
        if call.outcome is None:
            try:
                self._compute(self._batch_of(call))
            finally:
                self._hand_over()
        assert call.outcome is not None
        return call.outcome()

    def sizes(self) -> dict[int, int]:
        """How many batches there were so far, by their number of items."""
        with self._changing:
            return dict(self._sizes)

    def _batch_of(self, call: "_Call[Item, Result]") -> list["_Call[Item, Result]"]:
        """A call that waits, and the calls behind it that fit beside it."""
        with self._changing:
            kind, left = self._kind(call.item), self._budget - self._cost(call.item)
            batch = [call]
            for other in self._waiting:
                if other.woken.is_set() or self._kind(other.item) != kind:
                    continue  # it runs a batch of its own, or in one of its kind
                if (cost := self._cost(other.item)) <= left:
                    batch.append(other)
                    left -= cost
            for taken in batch:
                self._waiting.remove(taken)
            return batch

    def _compute(self, batch: Sequence["_Call[Item, Result]"]) -> None:
        with self._changing:
            self._sizes[len(batch)] += 1
        try:
            results = self._run([call.item for call in batch])
            assert len(results) == len(batch), f"{len(results)} results for a batch of {len(batch)}"
        except BaseException as error:  # all of them: whoever waits for this batch has to hear of its end
            if len(batch) == 1:
                batch[0].fail(error)
                return
            half = len(batch) // 2
            self._compute(batch[:half])
            self._compute(batch[half:])
        else:
            for call, result in zip(batch, results, strict=True):
                call.succeed(result)

    def _hand_over(self) -> None:
        """Let the call that has waited longest run the next batch."""
        with self._changing:
            for heir in self._waiting:
                if not heir.woken.is_set():
                    heir.woken.set()
                    return
            self._idle += 1


class _Call(Generic[Item, Result]):
    """One call: woken when it has an outcome, or when it is its turn to run a batch."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.woken = threading.Event()
        self.outcome: Callable[[], Result] | None = None

    def succeed(self, result: Result) -> None:
        self.outcome = lambda: result
        self.woken.set()

    def fail(self, error: BaseException) -> None:
        def outcome() -> Result:
            raise error

        self.outcome = outcome
        self.woken.set()
