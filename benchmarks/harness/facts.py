"""Environment of a run: hardware, versions, settings and corpus size, without paths, names or secrets."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness.corpus import Corpus
from benchmarks.processes.machine_load import MachineLoad
from benchmarks.processes.running import ROOT
from model_store.errors import StoreError
from model_store.models import CNN_DETECTOR, DLIB_RESNET
from model_store.store import WeightStore
from service.recognition.compute import cgroups  # the same view of a container's limits as the service has
from service.recognition.compute.core_count import usable_processors
from service.recognition.recognizer import Recognizer
from service.versions import versions

Facts = dict[str, str | int | float]

# Names of the facts that the reports read.
BASELINE = "baseline"
LARGEST_PHOTO = "largest photo, MP"
"""Photos above it are scaled down."""
TIME_LIMIT = "time limit, s"
LEFT_OUT = "left out for lack of time"
NOTHING = "nothing"
"""Value of `LEFT_OUT` if the time sufficed."""
PHOTOS = "photos"
PROCESSORS = "processors"
LOAD_AVERAGE = "load average before (1, 5, 15 min)"
BUSY = "busy with other processes"
WITHHELD = "withheld by the hypervisor"
WHEN = ("before", "during")
"""Times of `BUSY` and `WITHHELD`: before the run and during it."""
PROCESSOR = "processor"
CORES = "cores"
DLIB_BLAS = "dlib's BLAS"

PLACES = ("FACE_STORE", "FACE_WEIGHTS", "FACE_TEST_PHOTOS")
"""Settings with local paths, which a shared result must not contain."""
FLAGS = (
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "asimd",
    "sve",
)
"""CPU features by which the libraries select their kernels."""


def machine() -> Facts:
    """Processor, usable cores, memory limit and instruction sets."""
    info = dict(_pairs(Path("/proc/cpuinfo")))
    memory = dict(_pairs(Path("/proc/meminfo"))).get("MemTotal", "0 kB")
    there = info.get("flags", info.get("Features", "")).split()
    bytes_ = min(int(memory.split()[0]) * 1024, cgroups.memory_limit())
    return {
        PROCESSOR: info.get("model name", info.get("CPU part", "unknown")),
        CORES: usable_processors(),
        "memory, GiB": round(bytes_ / 2**30),
        "instructions": " ".join(flag for flag in FLAGS if flag in there),
    }


def libraries() -> Facts:
    """Versions of the libraries, and the commit of this checkout."""
    found: Facts = {name: version for name, version in versions().items() if version is not None}
    if found_commit := commit():
        found["commit"] = found_commit
    if "dlib" in found:
        found[DLIB_BLAS] = _blas_of_dlib()
    return found


def _blas_of_dlib() -> str:
    """BLAS of dlib, "yes" or "none": a dlib with a BLAS is several times faster than one with its own matrix loops."""
    import dlib

    return "yes" if dlib.DLIB_USE_BLAS else "none"


def available_memory() -> int:
    """Bytes of memory available now (proc(5), MemAvailable), within the container's limit."""
    available = int(dict(_pairs(Path("/proc/meminfo")))["MemAvailable"].split()[0]) * 1024
    return int(min(available, cgroups.memory_limit()))


def load_average() -> str:
    """Load average of the last 1, 5 and 15 minutes: the number of running and waiting threads."""
    return ", ".join(f"{value:.2f}" for value in os.getloadavg())


def load(average: str, before: MachineLoad, during: MachineLoad) -> Facts:
    """Load of the machine by others, before a run and during it, in processors (machine_load.py)."""
    return {
        PROCESSORS: os.cpu_count() or 1,
        LOAD_AVERAGE: average,
        **{
            at(name, when): round(value, 2)
            for when, measured in zip(WHEN, (before, during), strict=True)
            for name, value in ((BUSY, measured.others), (WITHHELD, measured.steal))
        },
    }


def at(name: str, when: str) -> str:
    """Name of `BUSY` or `WITHHELD` at one of the times of `WHEN`."""
    return f"{name}, {when}"


def recognition(recognizer: Recognizer, store: Path) -> Facts:
    """Engine, provider and precision of each stage, and digests of the weights."""
    found: Facts = {
        name: f"{stage.engine}, {stage.provider}, {stage.precision}"
        for name, stage in sorted(recognizer.stages().items())
    }
    weights = WeightStore(store)
    for name in (CNN_DETECTOR, DLIB_RESNET):
        try:
            found[name] = weights.sha256(name)[:12]
        except StoreError:
            found[name] = "unknown"
    return found


def settings() -> Facts:
    """FACE_ settings of the environment, which the benchmarked services inherit; no paths, no secrets."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("FACE_") and name not in PLACES
    }


def photos(corpus: Corpus) -> Facts:
    """Numbers of photos, labelled pairs and marked faces."""
    return {
        PHOTOS: len(corpus.photos),
        "labelled pairs": len(corpus.pairs),
        "marked faces": sum(map(len, (corpus.boxes or {}).values())),
    }


def commit(checkout: Path = ROOT) -> str:
    """Commit of a checkout, with a plus if it has changes; empty without git or a repository."""
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _pairs(file: Path) -> Iterator[tuple[str, str]]:
    """Name and value of each "name: value" line."""
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else ():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()
