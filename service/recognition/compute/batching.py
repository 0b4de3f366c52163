"""Dynamic batching of calls from many threads: an idle device runs a call at once, a busy one gathers calls.

- The device is idle: the call runs at once, alone. No run waits for its batch to fill.
- The device is busy: calls wait, and the next run takes as many of them as fit its budget.
- The callers' threads compute: when a run ends, the call that has waited longest runs the next batch. The batcher has
  no thread of its own, which could die and leave its calls waiting.
- A batch that fails is halved, down to single calls, so that one bad item fails alone.
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
    """A function of batches, called with single items. Safe to call from many threads.

    Args:
        run: computes a batch: one result per item, in the order of the items.
        budget: total cost of the items of a batch; a costlier item runs alone.
        cost: cost of an item, in the budget's unit.
        kind: key of an item; items share a batch only if their keys are equal.
        runs: number of batches computed at the same time.
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
        self._lock = threading.Lock()

    def __call__(self, item: Item) -> Result:
        """The result for an item. Raises what `run` raises for a batch of this item alone.

        Memory may be too short for a whole batch, or one of its items bad: a batch that fails is halved until the
        failing items are alone, and the others have their results.
        """
        call = _Call[Item, Result](item)
        with self._lock:
            self._waiting.append(call)
            if self._idle:
                # Calls wait only while all runs are taken, so this is the only one.
                self._idle -= 1
                call.woken.set()
        call.woken.wait()
        if call.outcome is None:
            try:
                self._compute(self._batch_of(call))
            finally:
                self._start_next()
        assert call.outcome is not None
        return call.outcome()

    def sizes(self) -> dict[int, int]:
        """Number of batches so far, by their number of items."""
        with self._lock:
            return dict(self._sizes)

    def _batch_of(self, call: "_Call[Item, Result]") -> list["_Call[Item, Result]"]:
        """Take a waiting call, and the later calls of its kind that fit the budget with it."""
        with self._lock:
            kind, left = self._kind(call.item), self._budget - self._cost(call.item)
            batch = [call]
            for other in self._waiting:
                if other.woken.is_set() or self._kind(other.item) != kind:
                    continue  # already woken to run a batch, or of another kind
                if (cost := self._cost(other.item)) <= left:
                    batch.append(other)
                    left -= cost
            for taken in batch:
                self._waiting.remove(taken)
            return batch

    def _compute(self, batch: Sequence["_Call[Item, Result]"]) -> None:
        with self._lock:
            self._sizes[len(batch)] += 1
        try:
            results = self._run([call.item for call in batch])
            assert len(results) == len(batch), f"{len(results)} results for a batch of {len(batch)}"
        except BaseException as error:  # of any kind: else the batch's other callers wait for ever
            if len(batch) == 1:
                batch[0].fail(error)
                return
            half = len(batch) // 2
            self._compute(batch[:half])
            self._compute(batch[half:])
        else:
            for call, result in zip(batch, results, strict=True):
                call.succeed(result)

    def _start_next(self) -> None:
        """Wake the call that has waited longest, to run the next batch."""
        with self._lock:
            for call in self._waiting:
                if not call.woken.is_set():
                    call.woken.set()
                    return
            self._idle += 1


class _Call(Generic[Item, Result]):
    """One call: woken with an outcome, or without one to run the next batch."""

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
