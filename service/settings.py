"""All settings: environment variable, type, default and meaning of each. Upstream's names keep working."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_store.models import MODELS, model_of
from service.text import header_fault, printable

ADVERTISED_AREA = 3840 * 2160
"""Pixels. The area that the upstream service advertises: after a switch, the app scales photos to the same size."""

MAXIMUM_ORIGINAL = 256_000_000
"""Pixels, 768 MB decoded. `/compute` gets originals at full size, and no camera or phone makes larger ones."""

MAXIMUM_AREA = 10**12
"""Pixels. Upper bound of the settings in pixels; no machine decodes that many."""

MAXIMUM_GRACE = 10**8
"""Seconds, three years. An integer without an upper bound would overflow a float of seconds."""

MINIMUM_MEMORY = 384 * 1024**2
"""Bytes. Less memory has room for the networks, but for no photo."""

MINIMUM_GPU_MEMORY = 512 * 1024**2
"""Bytes. A strip of the detector takes some 100 MB on the CPU, and cuDNN takes a workspace in addition."""


class SettingsError(Exception):
    """A setting has an impossible value. The message has a line for each: variable, value, and reason."""


def _known_model(value: object) -> int:
    """The number of a model, also from text: a name such as `hog` needs the list of numbers most."""
    try:
        number = int(str(value))
    except ValueError:
        number = 0
    return model_of(number).number


def _at_least(minimum: int) -> AfterValidator:
    """A lower bound in bytes, with a message in the unit that the setting accepts."""

    def check(given: ByteSize) -> ByteSize:
        if given < minimum:
            raise ValueError(f"it has to be at least {minimum // 1024**2}MiB")
        return given

    return AfterValidator(check)


def _lower_case(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


_AnyCase = BeforeValidator(_lower_case)


def _stripped(value: object) -> object:
    """The value without surrounding white space; None, the default, if nothing is left."""
    return (value.strip() or None) if isinstance(value, str) else value


def _not_blank(key: SecretStr) -> SecretStr:
    if not key.get_secret_value().strip():
        raise ValueError("it has to have a character other than white space")
    return key


def _collector(address: str | None) -> str | None:
    """The address of a collector: HTTP or HTTPS, with a host, without a password, which a log could show."""
    if address is None:
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not address.isprintable():
        raise ValueError("it has to be an address such as http://localhost:4318")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError("a key belongs into OTEL_EXPORTER_OTLP_HEADERS, not into the address")
    return address


def _valid_in_header(key: SecretStr) -> SecretStr:
    if fault := header_fault(key.get_secret_value().strip()):
        raise ValueError(f"no HTTP header can carry it, since it contains {fault}")
    return key


class Settings(BaseSettings):
    """The service's settings, read from the environment. An empty value means the default.

    Raises pydantic's ValidationError on an impossible value; `load` turns it into SettingsError.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, case_sensitive=True, extra="ignore")

    api_key: Annotated[SecretStr, AfterValidator(_valid_in_header)] | None = Field(
        default=None,
        validation_alias="API_KEY",
        description="The key that callers send in the header `x-api-key`. Unset: the keys in `API_KEY_FILE`.",
    )
    api_key_file: Path = Field(
        default=Path("api.key"),
        validation_alias="API_KEY_FILE",
        description="File with one key per line, in UTF-8, read at start. All of them are valid, so that a key can be "
        "replaced without an interruption. A line that begins with `#` is a comment; a key that begins with `#` has "
        "to be given as `API_KEY`.",
    )
    metrics_key: Annotated[SecretStr, AfterValidator(_not_blank), AfterValidator(_valid_in_header)] | None = (
        Field(
            default=None,
            validation_alias="FACE_METRICS_KEY",
            description="The key that `/metrics` requires, as Prometheus sends it (`Authorization: Bearer KEY`) or in "
            "`x-api-key`. It is valid for nothing else, and API keys are not valid there. Unset: `/metrics` needs no "
            "key.",
        )
    )
    model: Annotated[int, BeforeValidator(_known_model)] = Field(
        default=4,
        validation_alias="FACE_MODEL",
        description=f"Number of the model: {', '.join(map(str, MODELS))}. The 68 landmarks of model 2 are licensed for "
        "non-commercial use only.",
    )
    port: int = Field(
        default=5000,
        ge=1,
        le=65535,
        validation_alias="PORT",
        description="TCP port. Inherited sockets (`LISTEN_FDS`) are used instead of `PORT` and `FACE_HOST`; `occ` and "
        "the healthcheck read the two settings in any case.",
    )
    host: Annotated[str | None, BeforeValidator(_stripped)] = Field(
        default=None,
        validation_alias="FACE_HOST",
        description="Address to listen on, or a host name, which stands for all of its addresses. Unset or `::`: all "
        "addresses, IPv4 and IPv6.",
    )
    tls_certificate: Path | None = Field(
        default=None,
        validation_alias="FACE_TLS_CERTIFICATE",
        description="PEM file with the certificate for HTTPS and those that it depends on. A renewed file is used "
        "within a minute, without a restart. Unset: HTTP.",
    )
    tls_key: Path | None = Field(
        default=None,
        validation_alias="FACE_TLS_KEY",
        description="PEM file with the private key of `FACE_TLS_CERTIFICATE`, without a passphrase.",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=256,
        validation_alias="GUNICORN_WORKERS",
        description="Photos in work at the same time; further photos wait. 0: one more than there are cores, which "
        "gives the highest throughput; 1 with `FACE_ENGINE=dlib`.",
    )
    memory: Annotated[ByteSize, _at_least(MINIMUM_MEMORY)] | None = Field(
        default=None,
        validation_alias="FACE_MEMORY",
        description="Memory budget of all processes together, in bytes (or `2GiB`; at least 384MiB). Uploads and "
        "photos beyond it wait. A photo that needs more by itself is computed alone, and exceeds the budget. Unset: "
        "80 % of the memory limit of a container, or half of the memory of a machine.",
    )
    request_timeout: float = Field(
        default=0,
        ge=0,
        allow_inf_nan=False,
        validation_alias="REQ_TIMEOUT",
        description="Seconds of computation on a photo, without the time in the queue, after which it is answered "
        "with 503. 0: no limit, since the app marks such a photo as failed and does not send it again.",
    )
    patience: float = Field(
        default=60,
        gt=0,
        allow_inf_nan=False,
        validation_alias="FACE_PATIENCE",
        description="Seconds after which a stalled transfer is aborted: the upload of a photo (408), or the download "
        "of an answer. A transfer is stalled if no byte arrives for that time, or fewer than 1024 bytes a second over "
        "it. Time in which the service makes a caller wait does not count.",
    )
    grace: int = Field(
        default=600,
        ge=1,
        le=MAXIMUM_GRACE,
        validation_alias="FACE_GRACE",
        description="Seconds for photos in flight after SIGTERM. `docker stop` and systemd have separate limits "
        "(`--stop-timeout`, `TimeoutStopSec`). A second signal, at least a second later, ends the service at once.",
    )
    engine: Annotated[Literal["onnx", "dlib"], _AnyCase] = Field(
        default="onnx",
        validation_alias="FACE_ENGINE",
        description="`onnx`: ONNX Runtime; `dlib`: the reference implementation, slower.",
    )
    providers: Annotated[Literal["auto", "cpu", "cuda", "webgpu", "openvino"], _AnyCase] = Field(
        default="auto",
        validation_alias="FACE_PROVIDERS",
        description="Provider of ONNX Runtime: `cpu`, `cuda` (NVIDIA), `openvino` (Intel), `webgpu` (Vulkan: AMD, "
        "Intel, NVIDIA), or `auto`: the first of these GPUs that gives the CPU's values and is clearly faster, else "
        "`cpu`. The service does not start if the named provider is missing, or gives other values.",
    )
    allow_fallback: bool = Field(
        default=False,
        validation_alias="FACE_ALLOW_FALLBACK",
        description="Compute on the CPU if the provider that `FACE_PROVIDERS` names cannot be used.",
    )
    gpu_memory: Annotated[ByteSize, _at_least(MINIMUM_GPU_MEMORY)] | None = Field(
        default=None,
        validation_alias="FACE_GPU_MEMORY",
        description="GPU memory of both networks together, in bytes (or `2GiB`; at least 512MiB), in addition to "
        "CUDA's own. A batch that needs more is halved; what does not fit then is computed on the CPU. Unset: the "
        "memory of the device.",
    )
    precision: Annotated[Literal["auto", "float32", "mixed"], _AnyCase] = Field(
        default="auto",
        validation_alias="FACE_PRECISION",
        description="Number format of the CNN detector; the answers are the same. `auto`: a photo is scanned in int8 "
        "on a CPU, in float16 on a device, if that was faster at the first start; what is near the threshold is "
        "computed again in float32. `mixed`: the scan even if it is slower. `float32`: no scan.",
    )
    scan_check: int = Field(
        default=1000,
        ge=0,
        validation_alias="FACE_SCAN_CHECK",
        description="Number of scanned photos of which one is also computed in float32 as a whole, which "
        "takes the time of both. If a score above the threshold differs, the scan is off until the next start, and "
        "the log, `/info` and `/metrics` say so. 0: none.",
    )
    store: Path = Field(
        default=Path("models"),
        validation_alias="FACE_STORE",
        description="Folder of the weights and of the graphs that are converted from them.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        validation_alias="FACE_THREADS",
        description="Cores for each photo. 0: all cores for a single photo, and a share of them for each of several, "
        "which gives the highest throughput.",
    )
    maximum_area: int = Field(
        default=ADVERTISED_AREA,
        ge=1,
        le=MAXIMUM_AREA,
        validation_alias="FACE_MAXIMUM_AREA",
        description="Largest photo, in pixels, that `/open` advertises to the app. `/detect` accepts a sixteenth "
        "more, since the app rounds up, and answers 412 beyond. Unset: the default, or less if such a photo does not "
        "fit under the memory limit; a warning at start then names the area.",
    )
    maximum_original_area: int = Field(
        default=MAXIMUM_ORIGINAL,
        ge=1,
        le=MAXIMUM_AREA,
        validation_alias="FACE_MAXIMUM_ORIGINAL_AREA",
        description="Largest original, in pixels, that `/compute` accepts; 412 beyond.",
    )
    maximum_upload: int = Field(
        default=128 * 1024 * 1024,
        ge=1,
        validation_alias="FACE_MAXIMUM_UPLOAD",
        description="Largest request body, in bytes; 413 beyond.",
    )
    honour_orientation: bool = Field(
        default=True,
        validation_alias="FACE_ORIENTATION",
        description="Turn a photo upright as Nextcloud does: JPEG by EXIF, TIFF by its tag, AVIF by its boxes (HEIC "
        "is always turned). Dlib turns none; the app's own uploads are upright.",
    )
    preferred_mimetype: Annotated[Literal["image/jpeg", "image/png"], _AnyCase] = Field(
        default="image/jpeg",
        validation_alias="FACE_PREFERRED_MIMETYPE",
        description="Format that `/open` requests from the app: `image/jpeg`, or `image/png`, which is lossless and "
        "several times larger.",
    )
    page: bool = Field(
        default=True,
        validation_alias="FACE_PAGE",
        description="Show the page at `/` with the state of the service, `/status` and `/events`, which it reads, and "
        "the description of the API at `/docs` and `/openapi.json`. They need no key, and show no names and no "
        "photos. `off`: these paths are 404.",
    )
    traces: Annotated[str | None, AfterValidator(_collector)] = Field(
        default=None,
        validation_alias="FACE_TRACES",
        description="Address of an OpenTelemetry collector (OTLP/HTTP, such as `http://localhost:4318`) that gets a "
        "trace of each photo: times, sizes and counts, no names and no contents. Needs the packages of "
        "`requirements/otel.txt`. Unset: no trace, and no connection.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _AnyCase] = Field(
        default="info",
        validation_alias="FACE_LOG_LEVEL",
        description="`debug`, `info`, `warning` or `error`. No level logs keys, file names or photos.",
    )
    log_format: Annotated[Literal["text", "json"], _AnyCase] = Field(
        default="text",
        validation_alias="FACE_LOG_FORMAT",
        description="`text`, or `json`: one object per line.",
    )


PREFIX = "FACE_"
OTHER_VARIABLES = frozenset({"FACE_WEIGHTS", "FACE_TEST_PHOTOS"})
"""Variables with PREFIX that are read by the Makefile and the tests."""


def unknown_variables(environment: Iterable[str]) -> list[str]:
    """A warning for each variable with PREFIX that is no setting, with the closest name of a setting."""
    # Compared without PREFIX, which would make every name of four letters similar to FACE_HOST.
    known = {name.removeprefix(PREFIX): name for name in variables()}
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES.union(known.values())
    )
    close = {name: difflib.get_close_matches(name.removeprefix(PREFIX), known, n=1) for name in unknown}
    return [
        f"{printable(name, MAXIMUM_SHOWN)} is no setting and is ignored"
        + (f"; did you mean {known[close[name][0]]}?" if close[name] else "")
        for name in unknown
    ]


def load() -> Settings:
    """The settings in the environment of this process. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_message(fault) for fault in error.errors())) from None


_BYTES = "it has to be a number of bytes, such as 2147483648 or 2GiB"
_REASONS = MappingProxyType(
    {
        "int_parsing": "it has to be a whole number",
        "int_parsing_size": "it has to be a whole number of fewer digits",
        "float_parsing": "it has to be a number",
        "bool_parsing": "it has to be true or false",
        "string_unicode": "it has to be UTF-8 text",
        "byte_size": _BYTES,
        "byte_size_unit": _BYTES,
        "literal_error": "it has to be {expected}",
        "greater_than": "it has to be greater than {gt:.0f}",
        "greater_than_equal": "it has to be at least {ge:.0f}",
        "less_than_equal": "it has to be at most {le:.0f}",
        "finite_number": "it has to be a finite number",
    }
)
"""Type of a pydantic error to its reason in plain English, formatted with the error's context."""

SECRETS = ("API_KEY", "FACE_METRICS_KEY", "FACE_TRACES")
"""Variables whose values are never shown."""
MAXIMUM_SHOWN = 100
"""Characters of a value in a message."""


def _message(fault: ErrorDetails) -> str:
    """One line: variable, value, and the reason why it is not possible."""
    if reason := _REASONS.get(fault["type"]):
        reason = reason.format(**fault.get("ctx", {}))
    else:  # an error of a validator of this module
        reason = fault["msg"].removeprefix("Value error, ")
    name = str(fault["loc"][0])
    value = "" if name in SECRETS else f"={printable(str(fault['input']), MAXIMUM_SHOWN)}"
    return f"{name}{value} is not possible: {reason}"


def variables() -> dict[str, tuple[str, str]]:
    """Environment variable to its default as text (empty: unset) and its meaning."""
    return {
        str(field.validation_alias): (_written(field.default), str(field.description))
        for field in Settings.model_fields.values()
    }


def _written(default: object) -> str:
    match default:
        case None:
            return ""
        case bool():
            return str(default).lower()
        case _:
            return str(default)


def markdown_rows() -> list[str]:
    """The rows of the table of settings in docs/guide/configuration.md."""
    return [
        f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |"
        for variable, (default, meaning) in variables().items()
    ]
