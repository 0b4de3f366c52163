"""Requirements on this machine, checked without a library that computes: processor, system calls, wheel."""

import logging
from collections.abc import Iterator
from importlib.util import find_spec

from service import cpu_flags
from service.recognition.ort import installed
from service.sandbox import refused_calls
from service.settings import Settings

log = logging.getLogger(__name__)


class MachineError(Exception):
    """The machine does not meet the requirements. The message has a line with the remedy for each of them."""


def require(settings: Settings) -> None:
    """Raise MachineError if the machine does not meet the requirements of these settings."""
    if lines := [*_lacking(settings)]:
        raise MachineError("\n".join(lines))


def _lacking(settings: Settings) -> Iterator[str]:
    """A line with the remedy for each requirement of these settings that the machine does not meet."""
    if flags := cpu_flags.lacking(settings.engine):
        yield flags
    yield from refused_calls.refusals()
    if settings.traces and not has_packages_of_traces():
        yield (
            "FACE_TRACES needs packages that are not installed: run "
            "`python3 requirements/environment.py .venv otel` in the checkout, or unset it"
        )
    name = settings.providers
    if needs_provider(settings) and not installed.has_wheel(name):
        yield f"{installed.refusal(name, installed.missing_wheel(name))}. {installed.CPU_REMEDY}"


def has_packages_of_traces() -> bool:
    """True if the packages of FACE_TRACES are installed; they are not loaded."""
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter") is not None
    except ModuleNotFoundError:
        return False


def needs_provider(settings: Settings) -> bool:
    """True if the service does not start without the provider that FACE_PROVIDERS names."""
    return settings.engine == "onnx" and settings.providers != "auto" and not settings.allow_fallback


def unused_gpu(settings: Settings) -> str | None:
    """A line about a GPU and how to use it, if FACE_PROVIDERS leaves the choice to the service and it uses none."""
    leaves_choice = settings.engine == "onnx" and settings.providers == "auto"
    return str(found) if leaves_choice and (found := installed.unused_gpu()) else None


def log_unused_gpu(settings: Settings) -> None:
    """Log that there is a GPU, and how to use it, if FACE_PROVIDERS leaves the choice to the service."""
    if line := unused_gpu(settings):
        log.info(line)
