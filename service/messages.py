"""The messages between the web process and the worker process, as JSON in the head of a `Channel` message.

A photo travels in the memory file of its message: its bytes, the caller's file name in UTF-8, and the `face` part.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from service.text import LONGEST

FACE_FIELD = "face"
"""Name of the form's part with a known face."""

ENGINE_FAILED = 75
"""Exit status of a worker whose engine fails for every photo (EX_TEMPFAIL of sysexits.h)."""

TOO_LITTLE_MEMORY = "The memory of this service is too small for the image: send it smaller."
"""For the caller of a photo that was tried alone, and in a worker that takes as little as possible."""

RefusalStatus = Literal[412, 415, 422, 503]
"""HTTP status of a refused photo."""
Reason = Annotated[str, Field(max_length=LONGEST)]
"""A sentence for the caller or the log. A character takes at most six bytes of JSON, so that it fits into a head."""


class MalformedMessage(Exception):
    """A head is no message of the protocol."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def head(self) -> bytes:
        """The message as JSON in UTF-8."""
        return self.model_dump_json().encode()


# From the web process.


class Photo(_Message):
    """A photo to answer."""

    kind: Literal["photo"] = "photo"
    number: NonNegativeInt
    """Of the request; of each later message about it too."""
    size: PositiveInt
    """Bytes of the encoded photo, at the start of the memory file."""
    name: NonNegativeInt
    """Bytes of the file name, behind the photo."""
    face: NonNegativeInt | None
    """Bytes of the `face` part, behind the name; None where the form has none."""
    known: bool
    """Whether the face is given (`/compute`), or faces are to be detected."""
    maximum_area: PositiveInt
    """Pixels."""


class Cancel(_Message):
    """The caller of a photo has hung up."""

    kind: Literal["cancel"] = "cancel"
    number: NonNegativeInt


class StatusRequest(_Message):
    """A request for metrics and stages."""

    kind: Literal["status request"] = "status request"
    number: NonNegativeInt


# From the worker process.


class NetworksLoaded(_Message):
    """The networks are loaded; photos wait for the warm-up."""

    kind: Literal["networks loaded"] = "networks loaded"


class Ready(_Message):
    """The warm-up is over."""

    kind: Literal["ready"] = "ready"


class CannotStart(_Message):
    """The worker ends, since what the settings ask for cannot be had; the reason is in the body, text in UTF-8."""

    kind: Literal["cannot start"] = "cannot start"


class Begun(_Message):
    """A photo is in work: its header is read, and it has been admitted."""

    kind: Literal["begun"] = "begun"
    number: NonNegativeInt
    format: Annotated[str, Field(max_length=20)]
    width: PositiveInt
    height: PositiveInt


class Answered(_Message):
    """The answer of a photo, JSON in the body."""

    kind: Literal["answered"] = "answered"
    number: NonNegativeInt


class RefusedPhoto(_Message):
    """A fault of the request, or a limit of the operator's: an HTTP status and a sentence for the caller."""

    kind: Literal["refused"] = "refused"
    number: NonNegativeInt
    status: RefusalStatus
    reason: Reason


class Faulted(_Message):
    """A photo that could not be computed, through no fault of its own; the worker has logged why."""

    kind: Literal["faulted"] = "faulted"
    number: NonNegativeInt
    reason: Reason


class Cancelled(_Message):
    """No work is done any more for a photo whose caller has hung up."""

    kind: Literal["cancelled"] = "cancelled"
    number: NonNegativeInt


class StatusReport(_Message):
    """Metrics and stages: a `WorkerStatus` as JSON in the body."""

    kind: Literal["status"] = "status"
    number: NonNegativeInt


class StageReport(_Message):
    """Engine and provider of a stage, and its counts: `service.recognition.contract.Stage`."""

    engine: str
    provider: str
    fallbacks: NonNegativeInt
    on_cpu: NonNegativeInt
    batches: dict[str, NonNegativeInt]


class WorkerStatus(_Message):
    """What `/metrics` and `/info` say of the worker."""

    metrics: str
    """Prometheus's text format."""
    stages: dict[str, StageReport] | None
    """By name; None before the warm-up is over."""
    restrictions: dict[str, dict[str, bool | int] | None]
    """Privileges that the worker and its decoders have given up; None before the warm-up, or the first photo."""


FromWeb = Photo | Cancel | StatusRequest
Ended = Answered | RefusedPhoto | Faulted | Cancelled
"""The last message about a photo."""
FromWorker = NetworksLoaded | Ready | CannotStart | Begun | Ended | StatusReport

Kind = TypeVar("Kind")

_from_web: TypeAdapter[FromWeb] = TypeAdapter(Annotated[FromWeb, Field(discriminator="kind")])
_from_worker: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Field(discriminator="kind")])


def from_web(head: bytes) -> FromWeb:
    """A message of the web process. Raises MalformedMessage."""
    return _parsed(_from_web, head)


def from_worker(head: bytes) -> FromWorker:
    """A message of the worker process. Raises MalformedMessage."""
    return _parsed(_from_worker, head)


def worker_status(body: bytes) -> WorkerStatus:
    """The body of a StatusReport. Raises MalformedMessage."""
    return _parsed(TypeAdapter(WorkerStatus), body)


def _parsed(adapter: TypeAdapter[Kind], data: bytes) -> Kind:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise MalformedMessage(f"{error.error_count()} faults in a message") from None
