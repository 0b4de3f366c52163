"""Fault injection into the worker process, between its confinement and the loading of its networks."""

from collections.abc import Callable

from service.decoders.handle import ForkServer


def plant_when_confined(plant: Callable[[], None]) -> None:
    """Calls `plant` in this worker after its confinement.

    A worker has to be confined while it has one thread, and the import of numpy starts others.
    """
    start = ForkServer.start

    def planting(self: ForkServer) -> None:
        ForkServer.start = start  # type: ignore[method-assign]
        self.start()
        plant()

    ForkServer.start = planting  # type: ignore[method-assign]
