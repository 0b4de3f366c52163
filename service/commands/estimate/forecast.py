"""A forecast for a library, by a running service or by a sample."""

from collections.abc import Sequence
from typing import NamedTuple

from service.estimate import Option


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

    def as_json(self) -> dict[str, object]:
        """The fields by name, for scripts."""
        return {**self._asdict(), "options": [option._asdict() for option in self.options]}
