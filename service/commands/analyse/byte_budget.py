"""A FIFO byte budget for threads: photos in work together fit into the memory of the settings."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ByteBudget:
    """A budget of `total` bytes. A photo that exceeds the whole budget waits until it is alone."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._granted = 0
        self._entry = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def granted(self, size: int) -> Iterator[None]:
        """Wait until `size` bytes are granted, and return them at the end."""
        # Held while the first photo waits, so that smaller ones do not overtake it for ever.
        with self._entry, self._changed:
            self._changed.wait_for(lambda: self._granted == 0 or self._granted + size <= self.total)
            self._granted += size
        try:
            yield
        finally:
            with self._changed:
                self._granted -= size
                self._changed.notify_all()
