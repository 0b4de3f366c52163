"""Prometheus gauges of a budget, and bucket bounds of histograms: shared by the metrics of both processes.

The metrics of the web process are in `web.metrics`, those of the worker in `pipeline.metrics`.
"""

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
"""Bucket bounds of durations, in seconds: from the chip of one face to a photo at the end of a long queue."""


class BudgetState(Protocol):
    """The state of a budget of units, such as bytes."""

    total: int
    granted: int

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""

    @property
    def requested(self) -> int:
        """Units requested by waiting requests."""


def add_budget(registry: CollectorRegistry, name: str, unit: str, budget: BudgetState) -> None:
    """Add four gauges of a budget, read at each scrape."""
    for suffix, meaning, value in (
        ("granted", "granted", lambda: budget.granted),
        ("limit", "the most that is granted at the same time", lambda: budget.total),
        ("waiting", "number of requests that wait", lambda: budget.waiting),
        ("requested", "units requested by waiting requests", lambda: budget.requested),
    ):
        gauge = Gauge(
            f"face_{name}_{unit}_{suffix}", f"{name.capitalize()}, {unit}: {meaning}.", registry=registry
        )
        gauge.set_function(value)
