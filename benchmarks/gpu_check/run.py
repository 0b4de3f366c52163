"""Run of a check: the providers that the machine offers, then the parts of each, then the files."""

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from platform import freedesktop_os_release, release

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures import answers, photos
from benchmarks.gpu_check.measures.provider_part import ProviderPart, Subject
from benchmarks.gpu_check.measures.services import DeviceGivenUp, started
from benchmarks.gpu_check.redaction import public
from benchmarks.gpu_check.schema import GpuCheck, ProviderRecord
from benchmarks.harness import facts, steps
from benchmarks.processes.machine_load import LoadMeter, sampled
from benchmarks.processes.running import ServiceDied
from conversion.validation import package_photos
from service.recognition.ort.providers import CPU, PROVIDERS

OTHER_SECONDS = 10.0
"""Share of the time for what is no step: photos, the end of the processes, and the files."""
PROVIDER_PACKAGES = ("onnxruntime-", "nvidia-")
"""Beginnings of the names of packages with execution providers, and with their libraries."""
DLIB = "_dlib_pybind11"
"""dlib's compiled module."""


@dataclass(frozen=True)
class Options:
    """Options of a check; the defaults of the numbers are those of the command line."""

    store: Path
    cache: Path
    providers: Sequence[str] = tuple(PROVIDERS)
    minutes: float = 8.0
    photos: int = plan.PHOTOS
    megapixels: float = plan.MEGAPIXELS
    shapes: int = plan.SHAPES
    loads: plan.Loads = plan.LOADS
    models: tuple[int, ...] = plan.MODELS


def run(options: Options, check: GpuCheck) -> steps.Outcome:
    """Fill a check; after Ctrl-C it has what was measured until then.

    Raises:
        SourceError, ValueError: the photos cannot be fetched or decoded.
    """
    start = time.monotonic()
    paths = package_photos.fetch(options.cache / "photos")
    compared = photos.for_parity(paths, options.photos, options.megapixels)
    check.facts = {
        "machine": {**facts.machine(), "kernel": release(), "system": _system()},
        "versions": {**facts.libraries(), **_provider_packages()},
    }
    average, before, meter = facts.load_average(), sampled(), LoadMeter()
    subject = Subject(
        answers.Expected(compared),
        options.store,
        {size: photos.for_speed(compared, size) for size in options.loads.sizes},
        photos.of_shapes(compared[0], options.shapes),
        options.loads,
        options.models,
    )
    try:
        _offer(options, check)
        limit = options.minutes * 60 - OTHER_SECONDS - (time.monotonic() - start)
        outcome = steps.run(list(_parts(options, check, subject)), limit)
    except KeyboardInterrupt:
        outcome = steps.Outcome(interrupted=True)
    check.seconds = round(time.monotonic() - start, 1)
    check.facts["load"] = facts.load(average, before, meter.read())
    check.left_out = list(dict.fromkeys(label.partition(": ")[0] for label in outcome.left_out))
    check.complete = outcome.complete and all(record.failure is None for record in check.providers)
    return outcome


def _system() -> str:
    """Linux distribution, which is the source of most drivers."""
    try:
        return freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _provider_packages() -> facts.Facts:
    """Versions of the installed packages of providers: they tell plug-ins, the line of CUDA, and cuDNN."""
    installed = {found.name.replace("_", "-").lower(): found.version for found in metadata.distributions()}
    return {name: installed[name] for name in sorted(installed) if name.startswith(PROVIDER_PACKAGES)}


def _offer(options: Options, check: GpuCheck) -> None:
    """Start a service with each provider once: it tells whether the provider computes, or why it does not."""
    check.providers = [ProviderRecord(name=name) for name in dict.fromkeys((CPU.name, *options.providers))]
    for record in check.providers:
        print(f"starting with FACE_PROVIDERS={record.name}", file=sys.stderr)
        try:
            with started(record, options.models[0], plan.FLOAT32, options.store):
                pass
        except (ServiceDied, DeviceGivenUp) as error:
            record.failure = f"start: {public(str(error))}"


def _parts(options: Options, check: GpuCheck, subject: Subject) -> Iterator[steps.Part]:
    if find_spec(DLIB) is not None:
        yield _dlib_part(options, subject)
    for record in check.providers:
        if record.unused is None and record.failure is None:
            yield ProviderPart(record, subject).part()


def _dlib_part(options: Options, subject: Subject) -> steps.Part:
    processes = answers.dlib_processes(options.megapixels)
    seconds = plan.dlib_seconds(options.photos, processes)

    def compute() -> None:
        cached = options.cache / "reference"
        subject.expected.dlib = answers.by_dlib(subject.expected.photos, options.store, cached, processes)

    def opened(_: ExitStack) -> Sequence[steps.Step]:
        return [steps.Step("dlib", seconds, compute)]

    return steps.Part("dlib", seconds, opened)


def now() -> str:
    """Time of a result, UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
