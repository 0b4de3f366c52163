"""Every setting, once: its environment variable, type, default and meaning. Upstream's names keep working."""

import difflib
from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_store.models import MODELS
from service.header_text import uncarriable
from service.printable import printable

ADVERTISED_AREA = 3840 * 2160
"""Pixels; what the upstream service tells the app, so that its scaling stays the same after a switch."""

LARGEST_ORIGINAL = 256_000_000
"""Pixels, 768 MB decoded; `/compute` gets originals at full size, and no camera or phone makes larger ones."""

MOST_PIXELS = 10**12
"""Of an area that can be set; no machine decodes that."""

LONGEST_GRACE = 10**8
"""Seconds, three years; a float of seconds cannot hold everything that a person can write."""

SMALLEST_MEMORY = 384 * 1024**2
"""Bytes; less would hold the networks and no photo."""

SMALLEST_GPU_MEMORY = 512 * 1024**2
"""Bytes; a strip of the detector takes some 100 MB on the CPU, and cuDNN works in memory of its own."""


class SettingsError(Exception):
    """A setting has an impossible value; the one-line message names the variable, the value and the way out."""


def _known_model(number: int) -> int:
    if number not in MODELS:
        choices = "; ".join(f"{model.number} ({model.description})" for model in MODELS.values())
        own_number = "5 is the app's own number for every external model. " if number == 5 else ""
        raise ValueError(f"{own_number}Choose one of {choices}")
    return number


def _lower_case(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


_AnyCase = BeforeValidator(_lower_case)


def _stripped(value: object) -> object:
    """The value without white space around it; None, the default, where nothing is left."""
    return (value.strip() or None) if isinstance(value, str) else value


def _carriable(key: SecretStr) -> SecretStr:
    if fault := uncarriable(key.get_secret_value().strip()):
        raise ValueError(f"no HTTP header can carry it, since it holds {fault}")
    return key


class Settings(BaseSettings):
    """The service's settings, read from the environment. An empty value means the default.

    Raises pydantic's ValidationError on an impossible value; `load` turns that into one line for a person.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, case_sensitive=True, extra="ignore")

    api_key: Annotated[SecretStr, AfterValidator(_carriable)] | None = Field(
        default=None,
        validation_alias="API_KEY",
        description="The key that callers send as `x-api-key`. Unset: the keys in `API_KEY_FILE` count.",
    )
    api_key_file: Path = Field(
        default=Path("api.key"),
        validation_alias="API_KEY_FILE",
        description="File with one key a line, read at start, in UTF-8. All are valid, so a key can be changed with no "
        "gap. A line that begins with `#` is a comment; a key that does is possible in `API_KEY` alone.",
    )
    model: Annotated[int, AfterValidator(_known_model)] = Field(
        default=4,
        validation_alias="FACE_MODEL",
        description="Which model answers: "
        + ", ".join(str(number) for number in MODELS)
        + ". The 68 landmarks of "
        "model 2 are licensed for non-commercial use only.",
    )
    port: int = Field(
        default=5000,
        ge=1,
        le=65535,
        validation_alias="PORT",
        description="TCP port. An inherited socket (`LISTEN_FDS`) takes the place of `PORT` and `FACE_HOST`; `occ` and "
        "the healthcheck read them all the same.",
    )
    host: Annotated[str | None, BeforeValidator(_stripped)] = Field(
        default=None,
        validation_alias="FACE_HOST",
        description="Address to listen on, or a name with all of its addresses. Unset or `::`: all, IPv4 and IPv6.",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=256,
        validation_alias="GUNICORN_WORKERS",
        description="Photos worked on at the same time; the others wait. 0: one more than there are "
        "cores, which gives the most photos per second; one with FACE_ENGINE=dlib.",
    )
    memory: ByteSize | None = Field(
        default=None,
        ge=SMALLEST_MEMORY,
        validation_alias="FACE_MEMORY",
        description="Bytes (or `2GiB`, 384MiB at least) that all processes take at most: uploads and photos beyond "
        "wait. One that needs more by itself is still served, alone, and exceeds it. Unset: 80 % of a container's "
        "limit, or half of the machine's memory.",
    )
    request_timeout: float = Field(
        default=0,
        ge=0,
        allow_inf_nan=False,
        validation_alias="REQ_TIMEOUT",
        description="Seconds of work on a photo, waiting not counted, until it is given up with 503. 0: never, since "
        "the app marks such a photo as failed and does not send it again.",
    )
    patience: float = Field(
        default=60,
        gt=0,
        allow_inf_nan=False,
        validation_alias="FACE_PATIENCE",
        description="Seconds without a single byte after which a caller that is sending its photo, or taking its "
        "answer, is given up. So is one that sends, over that time, fewer than 1024 bytes a second (408). Time for "
        "which the service keeps a caller waiting does not count.",
    )
    grace: int = Field(
        default=600,
        ge=1,
        le=LONGEST_GRACE,
        validation_alias="FACE_GRACE",
        description="Seconds that photos in flight have after SIGTERM. `docker stop` and systemd have limits of their "
        "own (--stop-timeout, TimeoutStopSec). Another signal, a second later or more, ends the service at once.",
    )
    engine: Annotated[Literal["onnx", "dlib"], _AnyCase] = Field(
        default="onnx",
        validation_alias="FACE_ENGINE",
        description="`onnx`: ONNX Runtime; `dlib`: the reference, slower.",
    )
    providers: Annotated[Literal["auto", "cpu", "cuda"], _AnyCase] = Field(
        default="auto",
        validation_alias="FACE_PROVIDERS",
        description="What ONNX Runtime computes on: `auto` (`cuda` where it is there, else `cpu`), `cpu` or "
        "`cuda`. Each needs its own requirements. One that is named and cannot be used stops the start.",
    )
    allow_fallback: bool = Field(
        default=False,
        validation_alias="FACE_ALLOW_FALLBACK",
        description="Let the CPU take the place of a provider that FACE_PROVIDERS names and that cannot be used.",
    )
    gpu_memory: ByteSize | None = Field(
        default=None,
        ge=SMALLEST_GPU_MEMORY,
        validation_alias="FACE_GPU_MEMORY",
        description="Bytes (or `2GiB`) of a GPU that both networks take at most, besides what CUDA takes for itself. "
        "Runs that need more are halved, and what does not fit then is computed by the CPU. Unset: what there is.",
    )
    precision: Annotated[Literal["float32", "mixed"], _AnyCase] = Field(
        default="float32",
        validation_alias="FACE_PRECISION",
        description="What a GPU computes in; a CPU computes in `float32`. `mixed` looks for faces in float16, which "
        "is meant to save time where that is fast (tensor cores), and computes what comes near the threshold once "
        "more in float32: the same answers.",
    )
    store: Path = Field(
        default=Path("models"),
        validation_alias="FACE_STORE",
        description="Folder of the weights and of the graphs made from them.",
    )
    threads: int = Field(
        default=0,
        ge=0,
        le=1024,
        validation_alias="FACE_THREADS",
        description="Cores that each photo may use. 0: all of them where it is alone, and its share where it is not, "
        "which gives the most photos per second.",
    )
    maximum_area: int = Field(
        default=ADVERTISED_AREA,
        ge=1,
        le=MOST_PIXELS,
        validation_alias="FACE_MAXIMUM_AREA",
        description="Pixels of a photo that `/open` tells the app to send at most. `/detect` takes a sixteenth "
        "more, since the app rounds up, and answers 412 beyond. Unset, it is less where the memory limit is too small "
        "for such a photo; a warning at the start names the area.",
    )
    maximum_original_area: int = Field(
        default=LARGEST_ORIGINAL,
        ge=1,
        le=MOST_PIXELS,
        validation_alias="FACE_MAXIMUM_ORIGINAL_AREA",
        description="Pixels of an original that `/compute` accepts; 412 beyond.",
    )
    maximum_upload: int = Field(
        default=128 * 1024 * 1024,
        ge=1,
        validation_alias="FACE_MAXIMUM_UPLOAD",
        description="Bytes of a request's body; 413 beyond.",
    )
    honour_orientation: bool = Field(
        default=True,
        validation_alias="FACE_ORIENTATION",
        description="Turn a photo upright where Nextcloud does: JPEG by EXIF, TIFF by its tag, AVIF by its boxes "
        "(HEIC is always turned). dlib does not; the app's own uploads are upright.",
    )
    preferred_mimetype: Annotated[Literal["image/jpeg", "image/png"], _AnyCase] = Field(
        default="image/jpeg",
        validation_alias="FACE_PREFERRED_MIMETYPE",
        description="`image/jpeg`, or `image/png`: the format that the app is asked to send. PNG loses nothing "
        "and is several times larger.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], _AnyCase] = Field(
        default="info",
        validation_alias="FACE_LOG_LEVEL",
        description="`debug`, `info`, `warning` or `error`. No level logs keys, file names or photos.",
    )
    log_format: Annotated[Literal["text", "json"], _AnyCase] = Field(
        default="text",
        validation_alias="FACE_LOG_FORMAT",
        description="`text`, or `json`: one object a line.",
    )


PREFIX = "FACE_"
NOT_OURS = frozenset({"FACE_WEIGHTS", "FACE_TEST_PHOTOS"})
"""Variables with the prefix that the Makefile and the tests read."""


def misspelt(environment: Iterable[str]) -> list[str]:
    """A sentence for each variable of this environment that looks like a setting and is none."""
    known = variables()
    strange = sorted(
        name for name in environment if name.startswith(PREFIX) and name not in NOT_OURS.union(known)
    )
    return [
        f"{printable(name, LONGEST_SHOWN)} is no setting and is ignored; did you mean {close[0]}?"
        if (close := difflib.get_close_matches(name, known, n=1))
        else f"{printable(name, LONGEST_SHOWN)} is no setting and is ignored"
        for name in strange
    ]


def load() -> Settings:
    """The settings of this process's environment. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(fault) for fault in error.errors())) from None


_BYTES = "it has to be a number of bytes, such as 2147483648 or 2GiB"
_IN_OUR_WORDS = MappingProxyType(
    {
        "int_parsing": "it has to be a whole number",
        "float_parsing": "it has to be a number",
        "bool_parsing": "it has to be true or false",
        "string_unicode": "it has to be UTF-8 text",
        "byte_size": _BYTES,
        "byte_size_unit": _BYTES,
    }
)
"""What pydantic says of a type, where that is about its own work."""


_SECRETS = ("API_KEY",)
"""Variables whose values are never shown."""
LONGEST_SHOWN = 100
"""Characters of a value in a message."""


def _explain(fault: ErrorDetails) -> str:
    reason = _IN_OUR_WORDS.get(fault["type"], fault["msg"].removeprefix("Value error, "))
    name = str(fault["loc"][0])
    value = "" if name in _SECRETS else f"={printable(str(fault['input']), LONGEST_SHOWN)}"
    return f"{name}{value} is not possible: {reason}"


def variables() -> dict[str, tuple[str, str]]:
    """Environment variable to its default, as one would write it (empty: unset), and its meaning."""
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
    """The rows of the README's table of settings."""
    return [
        f"| `{variable}` | {f'`{default}`' if default else ''} | {meaning} |"
        for variable, (default, meaning) in variables().items()
    ]
