"""Model of the answer of `/info`."""

from typing import Annotated, Literal

from pydantic import Field

from service.web.openapi.fields import Fields

Count = Annotated[int, Field(ge=0)]
Bytes = Annotated[int, Field(gt=0)]
StageName = Literal["cnn_detections", "hog_detections", "hog_confirms", "landmarks", "chips", "descriptors"]


class Versions(Fields):
    """Versions of the service, of Python and of its libraries; null for a library that is not installed."""

    service: str
    """Version of this service."""
    python: str
    """Version of Python."""
    onnxruntime: str | None
    """ONNX Runtime, which computes the networks."""
    onnxruntime_ep_webgpu: str | None
    """Its plug-in for GPUs by Vulkan (FACE_PROVIDERS=webgpu)."""
    onnxruntime_ep_openvino: str | None
    """Its plug-in for devices of Intel (FACE_PROVIDERS=openvino)."""
    dlib: str | None
    """dlib, the fallback of all stages and the reference of the tests."""
    numpy: str | None
    """NumPy."""
    opencv: str | None
    """OpenCV, which decodes most photos."""
    pillow: str | None
    """Pillow, which decodes the other formats."""
    starlette: str | None
    """Starlette, the web framework."""
    uvicorn: str | None
    """Uvicorn, the HTTP server."""


class ModelInfo(Fields):
    """The model of the service."""

    number: Literal[1, 2, 3, 4, 6]
    """FACE_MODEL."""
    description: str
    """Detector, landmarks and network in words."""


class WeightInfo(Fields):
    """A file of weights."""

    sha256: str = Field(pattern="^([0-9a-f]{64})?$")
    """SHA-256 of the file in lower-case hexadecimal; empty if the file is missing or damaged."""
    origin: str
    """Origin of the file, or its problem and the remedy."""


class Scan(Fields):
    """Counts of the scan since the start of the worker process.

    The scan finds the places that may be faces. The network computes them again in float32: they are rescored.
    """

    photos: Count
    """Photos that were scanned. Pictures of the warm-up count as well."""
    crowded: Count
    """Of these, photos computed in float32 as a whole: faster, since they had many places."""
    deviating: Count
    """Of these, photos computed in float32 as a whole: a scanned score differed too much."""
    checked: Count
    """Of these, photos that were also computed in float32 as a whole for comparison: one in FACE_SCAN_CHECK."""
    scores: Count
    """Scores in the score maps of all photos but the crowded ones. A score is one place of the network's output."""
    rescored: Count
    """Cost of the places in float32, in scores of a whole map. Divided by `scores`, it is the share of the work that
    float32 takes beside the scan."""
    largest_error: float = Field(ge=0)
    """Largest difference between a scanned and a float32 score, at rescored places with a score above -1. The threshold
    of a face is 0."""
    stopped: str | None
    """Reason why the scan has stopped itself; null while it runs."""


class Trial(Fields):
    """Trial of the scan at the start, on a synthetic picture: it must be faster, and near float32."""

    time_ratio: float = Field(ge=0)
    """Time of the scan alone, without the rescored places, divided by that of float32."""
    largest_error: float = Field(ge=0)
    """Largest difference between a scanned and a float32 score, of the scores above -1."""
    kept: bool
    """True if the time was measured at an earlier start on this machine; the error is measured at each start."""
    file: str | None
    """File that keeps the time for later starts; null if no folder can be written."""


class DeviceProofInfo(Fields):
    """Comparison of a device with the CPU at the start, on a synthetic picture, and its time."""

    provider: str
    """Value of FACE_PROVIDERS that selects the device."""
    device: str
    """Name of the device by its driver."""
    driver: str | None
    """Name and version of the driver; null if it tells neither."""
    passed: bool
    """True if the device gives the CPU's values: scores within 3e-5, the same faces, descriptors within 1e-5."""
    reason: str | None
    """Reason why the device is not used: what differed and by how much, or that the CPU takes no more time; null if it
    is used."""
    score_difference: float | None
    """Largest difference of a score of the CNN detector; null without that detector, or if a run failed."""
    descriptor_difference: float | None
    """Largest difference of one of the 128 numbers of a face; null if a run failed."""
    faces_differ: bool
    """True if the boxes of the faces differ."""
    time_ratio: float | None
    """Time of both networks on the device divided by the CPU's; null if it was not measured."""
    kept: bool
    """True if the time, or the failure, was found at an earlier start on this machine. A failure is kept for a day."""


class StageInfo(Fields):
    """A stage of a photo: where it is computed, and its counts since the start of the worker process."""

    engine: str
    """`onnx` (ONNX Runtime), `compiled` (loops compiled by numba) or `dlib`."""
    provider: str
    """Execution provider of ONNX Runtime, such as `CPUExecutionProvider` or `CUDAExecutionProvider`; `cpu` for the
    other engines."""
    fallbacks: Count
    """Calls that dlib computed, since the engine failed."""
    on_cpu: Count
    """Runs of the network on the CPU, since the device was out of memory."""
    batches: dict[str, Count]
    """Number of runs of the network, by the number of photos that share a run."""
    precision: str
    """Number format of the network: `float32`, or that of a scan, which is rescored in float32."""
    scan: Scan | None
    """Counts of the CNN detector's scan; null without it."""
    trial: Trial | None
    """Trial of the scan at the start; null without one, or if it failed."""
    scan_refused: str | None
    """Reason why the scan is not used although it is enabled; null otherwise."""
    device: str | None
    """Name of the device by its driver; null for the CPU, or if the driver has none."""
    is_gpu: bool
    """True if a GPU computes it: not the CPU, by OpenVINO or by a software adapter either."""
    device_proof: DeviceProofInfo | None
    """Of `descriptors`: comparison of a device with the CPU, also of a device that is not used; null if none was
    compared."""
    device_missing: str | None
    """Of `descriptors`: reason why the CPU computes in place of a device; null if no device was to be used."""


class ProcessRestrictions(Fields):
    """Restrictions that a process has set on itself and cannot undo."""

    no_new_privileges: bool
    """No program that it starts gains privileges."""
    landlock: Count
    """Version of the interface of Landlock, which restricts files and network; 0: not restricted."""
    seccomp: bool
    """A filter refuses system calls."""
    file_growth_forbidden: bool
    """No regular file can grow."""


class Sandbox(Fields):
    """Restrictions of the processes that read foreign bytes or compute."""

    worker: ProcessRestrictions | None
    """Of the worker process; null before the end of its warm-up."""
    decoders: ProcessRestrictions | None
    """Of the decoder processes; null before the first photo."""


class DeviceQuarantine(Fields):
    """A device that has failed twice, in place of which the CPU computes until a time."""

    provider: str
    """Value of FACE_PROVIDERS for the device."""
    device: str | None
    """Name by the driver; null if it has none."""
    reason: str
    """Cause of the last fault, in one line."""
    since: str
    """Time of the last fault: ISO 8601, UTC."""
    until: str
    """Time after which the device is tried again, at the first moment without a photo in work: ISO 8601, UTC."""


class WorkerInfo(Fields):
    """History of the worker processes, which compute."""

    restarts: dict[str, Count]
    """Number of worker processes that died and were replaced since the start of the service, by cause."""
    resent: dict[str, Count]
    """Number of photos that were sent again after the death of a worker process, by its cause."""
    scan_stopped: str | None
    """Reason why a worker process has stopped its scan: float32 computes all photos until the service is
    restarted. Null while the scan runs, and if there is none."""
    device_faults: dict[str, Count]
    """Number of faults of a device that ended a worker process, by the value of FACE_PROVIDERS for it."""
    device_quarantine: DeviceQuarantine | None
    """The device in place of which the CPU computes for an hour; null without one."""
    restrictions: Sandbox | None
    """Sandbox; null before a worker process has answered."""


class Limits(Fields):
    """Limits of the service. Areas are in pixels (width × height), memory is in bytes."""

    maximum_area: int = Field(gt=0)
    """Largest area that `/open` advertises for `/detect`."""
    accepted_area: int = Field(gt=0)
    """Largest area that `/detect` accepts: 17/16 of `maximum_area`, since the app rounds both sides up."""
    maximum_original_area: int = Field(gt=0)
    """Largest area that `/compute` accepts."""
    maximum_upload: Bytes
    """Largest body of a request: FACE_MAXIMUM_UPLOAD."""
    workers: int = Field(gt=0)
    """Largest number of photos in work at once: GUNICORN_WORKERS."""
    upload_bytes: Bytes
    """Budget of all uploads together. Further bodies wait unread."""
    photo_bytes: Bytes
    """Budget of all photos in work together. Further photos wait; a single photo may exceed it."""
    memory: Bytes
    """Memory limit of the machine or container: the kernel ends a process beyond it."""
    request_timeout: float = Field(ge=0)
    """REQ_TIMEOUT in seconds, from the start of the work on a photo; 0: no limit."""


class Info(Fields):
    """State of the service: versions, weights, stages, sandbox and limits."""

    versions: Versions
    model: ModelInfo
    weights: dict[str, WeightInfo]
    """Files of weights of the model, by their name in the catalogue."""
    stages: dict[StageName, StageInfo] | None
    """Stages that the model uses; null if the worker process has not reported them yet."""
    worker: WorkerInfo
    limits: Limits
