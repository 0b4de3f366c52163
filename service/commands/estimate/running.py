"""The forecast of a running service, from the photos of its last minutes."""

from pydantic import BaseModel, PositiveFloat, PositiveInt, ValidationError

from service.commands.estimate.forecast import Forecast
from service.commands.shared.client import Service
from service.commands.shared.errors import CommandError
from service.estimate.library import Option
from service.estimate.resources import Replica


class _Option(BaseModel):
    change: str
    hours: float
    source: str


class _Estimate(BaseModel):
    """The part of `/status` that is used, of this version or another one."""

    photos: PositiveInt
    hours: float
    photos_per_minute: float
    mean_megapixels: float
    sample: int
    options: list[_Option]
    busy_share: PositiveFloat | None = None
    at_once: PositiveInt | None = None
    """None, as the share: of a version before these fields."""


class _Status(BaseModel):
    estimate: _Estimate | None


def forecast(service: Service, photos: int) -> Forecast:
    """The estimate of `/status`, for `photos` photos. Raises CommandError."""
    try:
        found = _Status.model_validate(service.get("/status")).estimate
    except ValidationError:
        raise CommandError(
            "The /status of the service has no estimate: it is of another version, or another service."
        ) from None
    if found is None:
        raise CommandError(
            "The service has answered too few photos in the last minutes. Start the app's job and try again after a "
            "minute, or measure photos of yours: face-model estimate --photos N FOLDER"
        )
    share = photos / found.photos
    options = [Option(option.change, share * option.hours, option.source) for option in found.options]
    return Forecast(
        photos,
        share * found.hours,
        found.photos_per_minute,
        found.mean_megapixels,
        found.sample,
        "by the running service",
        options,
        _replica(found),
    )


def _replica(found: _Estimate) -> Replica | None:
    """The service, if it always had a photo in work. With a photo in work but idle cores, its rate is too low."""
    if found.busy_share is None or found.at_once is None:
        return None
    rate = found.photos_per_minute / 60 / found.busy_share
    return Replica(rate, found.at_once, found.mean_megapixels)
