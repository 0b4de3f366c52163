"""Prometheus gauges of a budget, and the bounds of histograms, for the metrics of both processes."""

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Bounds of the histograms: from the chip of one face to a photo at the end of a long queue."""


class Lending(Protocol):
    """A budget of units."""

    total: int
    lent: int

    @property
    def waiting(self) -> int: ...

    @property
    def waited_for(self) -> int: ...


def add_budget(registry: CollectorRegistry, name: str, unit: str, budget: Lending) -> None:
    """Adds gauges of a budget: units that are granted, and requests that wait for theirs."""
    for what, meaning, value in (
        ("lent", "taken at present", lambda: budget.lent),
        ("limit", "there are", lambda: budget.total),
        ("waiting", "requests that wait for it", lambda: budget.waiting),
        ("asked", "needed by those requests", lambda: budget.waited_for),
    ):
        gauge = Gauge(
            f"face_{name}_{unit}_{what}", f"{name.capitalize()}, {unit}: {meaning}.", registry=registry
        )
        gauge.set_function(value)
