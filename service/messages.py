"""Protocol between the web process and the worker process: messages as JSON in the head of a `Channel` message.

The memory file of a photo's message holds, in this order: its bytes, the file name in UTF-8, and the `face` part.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)

from service.text import MAXIMUM_MESSAGE

FACE_FIELD = "face"
"""Name of the form field with a known face."""

ENGINE_FAILED = 75
"""Exit status of a worker whose engine fails for every photo (EX_TEMPFAIL of sysexits.h)."""

DEVICE_FAULT = 76
"""Exit status of a worker whose device is lost or hangs (EX_PROTOCOL of sysexits.h: an impossible answer)."""

CPU = "cpu"
"""Provider without a device."""
MAXIMUM_NAME = 200
"""Maximum number of characters of a device's name."""
QUARANTINE = "FACE_DEVICE_QUARANTINE"
"""Environment variable of a worker, and no setting: the reason why it is not to use a device."""

TOO_LITTLE_MEMORY = "The memory of this service is too small for the image: send it smaller."
"""Error text for a photo that exhausted the memory although no other photo was in progress."""

RefusalStatus = Literal[412, 415, 422, 503]
"""HTTP status of a refused photo."""
Reason = Annotated[str, Field(max_length=MAXIMUM_MESSAGE)]
"""A sentence for the caller or the log."""
ErrorName = Annotated[str, Field(max_length=100)]
"""Name of an exception's class, for the access log, which contains no text from a photo."""
ProviderName = Annotated[str, Field(pattern="^[a-z0-9_]{1,30}$")]
"""Value of FACE_PROVIDERS."""
DeviceName = Annotated[str, Field(max_length=MAXIMUM_NAME)]
"""Name of a device by its driver."""
StageName = Annotated[str, Field(pattern="^[a-z_]{1,30}$")]
"""Name of a stage, part of a header of the answer."""
Milliseconds = Annotated[NonNegativeFloat, Field(allow_inf_nan=False)]


class Answer(NamedTuple):
    """Answer to a photo."""

    body: bytes
    """JSON."""
    milliseconds: Mapping[str, float]
    """Time of each stage that ran, by its name, in the order of the fields of `Timings`."""
    faces: int
    """Number of faces."""


class MalformedMessage(Exception):
    """The head is not a valid message of this protocol."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    def head(self) -> bytes:
        """The message as JSON in UTF-8."""
        return self.model_dump_json().encode()


# From the web process.


class Photo(_Message):
    """A photo to be processed."""

    kind: Literal["photo"] = "photo"
    number: NonNegativeInt
    """Identifies the request in each later message about it."""
    size: PositiveInt
    """Bytes of the encoded photo, at the start of the memory file."""
    name: NonNegativeInt
    """Bytes of the file name, after the photo."""
    face: NonNegativeInt | None
    """Bytes of the `face` part, after the name; None if the form has none."""
    known: bool
    """True if the face is given (`/compute`), False if faces are to be detected."""
    maximum_area: PositiveInt
    """Limit in pixels."""
    request: Annotated[str, Field(max_length=64)]
    """The request's id, for the log."""


class Cancel(_Message):
    """Cancellation of a photo, whose caller has hung up."""

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
    """The warm-up is complete."""

    kind: Literal["ready"] = "ready"


class CannotStart(_Message):
    """The settings cannot be met and the worker exits; the reason is in the body, as UTF-8."""

    kind: Literal["cannot start"] = "cannot start"


class DeviceTried(_Message):
    """A provider is about to be opened, and is in use from then on. `cpu` ends the use of a device."""

    kind: Literal["device tried"] = "device tried"
    provider: ProviderName
    device: DeviceName | None
    """None until the driver has named it."""


class DeviceFaulted(_Message):
    """The device is lost, hangs, or gave an impossible result. The worker exits with DEVICE_FAULT."""

    kind: Literal["device faulted"] = "device faulted"
    provider: ProviderName
    reason: Reason


class Begun(_Message):
    """Processing of a photo has started: its header is read, and it is admitted."""

    kind: Literal["begun"] = "begun"
    number: NonNegativeInt
    format: Annotated[str, Field(max_length=20)]
    width: PositiveInt
    height: PositiveInt


class Answered(_Message):
    """Answer to a photo, as JSON in the body."""

    kind: Literal["answered"] = "answered"
    number: NonNegativeInt
    milliseconds: Annotated[dict[StageName, Milliseconds], Field(max_length=16)]
    """Of `Answer`: `decode`, and the stages of `service.recognition.timings.Timings`."""
    faces: NonNegativeInt


class RefusedPhoto(_Message):
    """Rejection of a photo, because of a fault of the request or a limit that the operator set."""

    kind: Literal["refused"] = "refused"
    number: NonNegativeInt
    status: RefusalStatus
    error: ErrorName
    reason: Reason


class Faulted(_Message):
    """Failure of the service on a valid photo; the worker has logged the cause."""

    kind: Literal["faulted"] = "faulted"
    number: NonNegativeInt
    reason: Reason


class Cancelled(_Message):
    """Processing of a cancelled photo has ended."""

    kind: Literal["cancelled"] = "cancelled"
    number: NonNegativeInt


class ScanStopped(_Message):
    """The scan has stopped itself. Later workers of this service compute without it."""

    kind: Literal["scan stopped"] = "scan stopped"
    reason: Reason


class StatusReport(_Message):
    """Metrics and stages, a `WorkerStatus` as JSON in the body."""

    kind: Literal["status"] = "status"
    number: NonNegativeInt


class ScanReport(_Message):
    """Counts of the scan: `service.recognition.contract.ScanFigures`."""

    photos: NonNegativeInt
    crowded: NonNegativeInt
    deviating: NonNegativeInt
    checked: NonNegativeInt
    scores: NonNegativeInt
    rescored: NonNegativeInt
    largest_error: FiniteFloat
    stopped: str | None


class TrialReport(_Message):
    """Trial of the scan: `service.recognition.contract.ScanTrial`."""

    time_ratio: FiniteFloat
    largest_error: FiniteFloat
    kept: bool
    file: str | None


class DeviceReport(_Message):
    """Comparison of a device with the CPU: `service.recognition.contract.DeviceProof`."""

    provider: str
    device: str
    driver: str | None
    passed: bool
    reason: str | None
    score_difference: FiniteFloat | None
    descriptor_difference: FiniteFloat | None
    faces_differ: bool
    time_ratio: FiniteFloat | None
    kept: bool


class StageReport(_Message):
    """Engine and provider of a stage, and its counts: `service.recognition.contract.Stage`."""

    engine: str
    provider: str
    fallbacks: NonNegativeInt
    on_cpu: NonNegativeInt
    batches: dict[str, NonNegativeInt]
    precision: str
    scan: ScanReport | None
    trial: TrialReport | None
    scan_refused: str | None
    device: str | None
    is_gpu: bool
    device_proof: DeviceReport | None
    device_missing: str | None


class WorkerStatus(_Message):
    """State of the worker for `/metrics` and `/info`."""

    metrics: str
    """Prometheus's text format."""
    stages: dict[str, StageReport] | None
    """Stages by name; None before the end of the warm-up."""
    restrictions: dict[str, dict[str, bool | int] | None]
    """Sandbox of the worker and of its decoders; None before the warm-up, or before the first photo."""


FromWeb = Photo | Cancel | StatusRequest
Ended = Answered | RefusedPhoto | Faulted | Cancelled
"""The last message about a photo."""
OfDevice = DeviceTried | DeviceFaulted
FromWorker = NetworksLoaded | Ready | CannotStart | OfDevice | Begun | Ended | ScanStopped | StatusReport

Kind = TypeVar("Kind")

_from_web: TypeAdapter[FromWeb] = TypeAdapter(Annotated[FromWeb, Field(discriminator="kind")])
_from_worker: TypeAdapter[FromWorker] = TypeAdapter(Annotated[FromWorker, Field(discriminator="kind")])


def from_web(head: bytes) -> FromWeb:
    """Parse a message of the web process. Raises MalformedMessage."""
    return _parsed(_from_web, head)


def from_worker(head: bytes) -> FromWorker:
    """Parse a message of the worker process. Raises MalformedMessage."""
    return _parsed(_from_worker, head)


def worker_status(body: bytes) -> WorkerStatus:
    """Parse the body of a StatusReport. Raises MalformedMessage."""
    return _parsed(TypeAdapter(WorkerStatus), body)


def _parsed(adapter: TypeAdapter[Kind], data: bytes) -> Kind:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        raise MalformedMessage(f"{error.error_count()} faults in a message") from None
