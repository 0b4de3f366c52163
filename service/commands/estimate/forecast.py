"""A forecast for a library, by a running service or by a sample."""

from collections.abc import Sequence
from typing import NamedTuple

from service.estimate.library import Option
from service.estimate.resources import Replica


class Forecast(NamedTuple):
    """The time for `photos` photos."""

    photos: int
    hours: float
    photos_per_minute: float
    megapixels: float
    """Mean area of the sample's photos."""
    sample: int
    """Number of photos that were measured."""
    origin: str
    """Place of the measurement, in words."""
    options: Sequence[Option]
    replica: Replica | None
    """The service as one of several replicas; None if it is of a version that does not have all its figures."""

    def as_json(self) -> dict[str, object]:
        """The fields by name, for scripts; without `replica`."""
        fields = {**self._asdict(), "options": [option._asdict() for option in self.options]}
        del fields["replica"]
        return fields
