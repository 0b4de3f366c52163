"""State of the service as models: the JSON of `/status`, the data of each event of `/events`, the content of the page.

Every text is a sentence or a name of this service, its libraries or its hardware: none is from a photo or a caller.
"""

from pydantic import BaseModel, ConfigDict

from service.supervision import State


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", from_attributes=True)


class StageStatus(_Part):
    """Engine, device and precision of one stage."""

    name: str
    """Name of its method: `cnn_detections`."""
    title: str
    """Name for people: "Face detection (CNN)"."""
    engine: str
    """`onnx`, `compiled` or `dlib`."""
    device: str
    """For people: "CPU: 2 cores, AVX-512 VNNI, Intel(R) Xeon(R) Processor", or the name of a GPU."""
    provider: str
    """ONNX Runtime's name of its execution provider, or `cpu` for compiled loops and dlib."""
    is_gpu: bool
    """True if the device is a GPU."""
    precision: str
    """`float32`, `int8 scan` or `float16 scan`."""
    fallbacks: int
    """Calls that dlib computed, since the engine failed."""
    on_cpu: int
    """Runs on the CPU, since the device was out of memory."""


class Proof(_Part):
    """Result of a comparison with a reference, in words."""

    passed: bool
    """True if the difference is within its bound."""
    sentence: str
    """The comparison and its result, for people."""


class UnusedGpu(_Part):
    """A GPU of this machine that computes nothing."""

    reason: str
    """Why the GPU computes nothing, in a sentence."""
    remedy: str
    """The command or setting that changes it."""


class Minute(_Part):
    """Photos that ended within one minute."""

    start: int
    """Unix time in seconds, a multiple of 60."""
    photos: int
    """Answered with 200."""
    failed: int
    """Answered with an error, other than a wrong key."""


class Memory(_Part):
    """Memory of all processes together, in bytes."""

    used: int
    """Of all processes of the service."""
    limit: int
    """FACE_MEMORY, or its default on this machine."""


class Activity(_Part):
    """Photos of `/detect` and `/compute`, and the state of the processes."""

    photos_last_minute: int
    """Answered with 200 in the last 60 seconds."""
    photos_today: int
    """Answered with 200 since midnight, UTC."""
    photos_total: int
    """Answered with 200 since the start."""
    failed_today: int
    """Answered with an error, other than a wrong key, since midnight, UTC."""
    waiting: int
    """Photos that are uploaded and not in work yet."""
    in_work: int
    """Photos in work."""
    retried: int
    """Photos that were sent to the next worker process after the death of one."""
    worker_restarts: int
    """Worker processes that died and were replaced."""
    memory: Memory
    last_hour: list[Minute]
    """60 items, oldest first; the last one is the current minute."""


class Option(_Part):
    """A change of the settings, the machine or the pass."""

    change: str
    """Such as "photos of 0.6 megapixels in place of 1.2"."""
    hours: float
    """Time for the library with the change."""
    source: str
    """Origin of the figure."""


class Estimate(_Part):
    """Time for a library of photos, from the last minutes with photos."""

    photos: int
    """Size of the library."""
    hours: float
    """Time for the library."""
    photos_per_minute: float
    """Rate of the last minutes with photos."""
    mean_megapixels: float
    """Mean size of these photos in megapixels (10⁶ pixels)."""
    busy_share: float
    """Share of the time in which at least one photo was in work, from 0 to 1."""
    at_once: int
    """Photos that are computed at the same time."""
    sample: int
    """Number of photos that it was measured on."""
    options: list[Option]
    """Changes, and the time with each: most take less, and the full pass after a fast pass takes more."""


class Failure(_Part):
    """A photo that was answered with an error."""

    time: str
    """ISO 8601, UTC."""
    status: int
    """HTTP status of the answer."""
    reason: str
    """The cause, without a text of the caller or the photo."""
    repair: str
    """The remedy, with the setting or the command."""
    bytes: int | None
    """Size of the photo, or of the request's body if that was not read as a whole; null if unknown."""
    format: str | None
    """Image format, width and height are null if the header of the photo was not read."""
    width: int | None
    """In pixels, as stored."""
    height: int | None
    """In pixels, as stored."""


class Status(_Part):
    """State of the service."""

    state: State
    """`starting`, `warming up` (photos wait), `ready`, or `failed` (the service is about to stop)."""
    version: str
    """Version of this service."""
    versions: dict[str, str | None]
    """Library to its version; null if it is not installed."""
    model: int
    """FACE_MODEL."""
    model_description: str
    """Detector, landmarks and network in words."""
    started: str
    """ISO 8601, UTC."""
    address_hint: str | None
    """Host and port for the app's setting `facerecognition.external_model_url`; null if unknown."""
    stages: list[StageStatus]
    """In the order of the work on a photo; empty before the end of the first warm-up."""
    proofs: list[Proof]
    """Comparisons with a reference: at the conversion, at the start, and of photos since then."""
    unused_gpu: UnusedGpu | None
    """Null if every GPU of the machine computes, or if there is none."""
    activity: Activity
    estimate: Estimate | None
    """Null before enough photos."""
    failures: list[Failure]
    """At most 100, latest first."""
