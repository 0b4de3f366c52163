"""Trial of the CNN detector's scan at the start: its error on a synthetic picture, and its time.

Each start compares scanned scores, and those of a block, with float32, since a kernel of ONNX Runtime may be wrong on
an untested processor or device. The time, relative to float32, is measured at the first start on a machine with this
provider, device, sources and graphs, and kept beside the compiled loops.
"""

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from service.cpu_flags import processor_identity, processor_name
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.scan import ERROR_LIMIT, SCORE_OF_INTEREST
from service.recognition.cnn.scanning_detector import ROUNDING, ScanningDetector
from service.recognition.compute import code_folders, kept_files, machine_code
from service.recognition.compute.cores import Cores
from service.recognition.contract import EngineError, ScanTrial
from service.recognition.ort import providers
from service.recognition.ort.providers import CPU
from service.recognition.ort.runtime import onnxruntime
from service.recognition.synthetic_pictures import group

FASTER = 0.85
"""Largest time ratio at which the scan saves time. The blocks of a face cost 2 % of the float32 work at 1.2 megapixels:
with six faces, a scan that takes 85 % of the time saves next to nothing; with one, an eighth."""
FACE_RADIUS = 3
"""Places on each side of a face's largest score that are near the threshold, or above."""
RUNS = 5
"""Runs of each kind, alternately, for a median."""

ScoreMap = NDArray[np.float32]


class KeptTime(BaseModel):
    """Content of the file with the measured time."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    time_ratio: FiniteFloat = Field(gt=0)


class ScanFault(EngineError):
    """The scan failed its trial. One line: what differed, by how much, and on which processor or device."""


def trial(detector: ScanningDetector, cores: Cores, graph_sha256s: tuple[str, str]) -> ScanTrial:
    """Compare the scan with float32 on a synthetic picture, and measure both unless an earlier start has.

    Args:
        detector: the detector, whose scan is not in use yet.
        cores: the cores of the detector's networks.
        graph_sha256s: hashes of the scan's graph and of the float32 graph.

    Raises:
        ScanFault: the scores differ too much.
        EngineError: a run failed.
    """
    picture = group()
    exact, scanned = detector.exact.scores(picture), detector.scanned_scores(picture)
    provider = detector.exact.network.provider
    facts = providers.facts(provider)
    device = facts.name if facts else None
    try:
        error = largest_error(exact, scanned)
        block = _around_the_largest(exact)
        compare_block(exact[block.slices], detector.block_scores(picture, block))
    except ScanFault as fault:
        of = f"processor ({processor_name()}" if provider == CPU.official else f"device ({device}, {provider}"
        raise ScanFault(
            f"the scan in {detector.kind.number_format} {fault}, on this {of}, onnxruntime {onnxruntime.__version__})"
        ) from None
    name = file_name(cores, graph_sha256s, provider, device)
    for folder in code_folders.folders():
        if (kept := _kept(folder / name)) is not None:
            return ScanTrial(kept.time_ratio, error, kept=True, file=str(folder / name))
    # A single photo, and one of as many as cores, unless a photo always has the same number of cores, or a device.
    photos = (1, cores.total) if provider == CPU.official and len(cores.widths) > 1 else (1,)
    ratio = max(_time_ratio(detector, picture, cores, number) for number in photos)
    # Without a writable folder, each start measures: MachineCode has warned.
    file = kept_files.write_to_first(name, KeptTime(time_ratio=ratio).model_dump_json().encode())
    return ScanTrial(ratio, error, kept=False, file=str(file) if file else None)


def largest_error(exact: ScoreMap, scanned: ScoreMap) -> float:
    """Largest difference of the scores above SCORE_OF_INTEREST. Raises ScanFault if it is too large."""
    if exact.shape != scanned.shape:
        raise ScanFault(f"has {scanned.shape} scores of the synthetic picture instead of {exact.shape}")
    if invalid := scanned.size - int(np.isfinite(scanned).sum()):
        raise ScanFault(
            f"computed {invalid} of {scanned.size} scores of the synthetic picture as infinite or NaN"
        )
    above = exact > SCORE_OF_INTEREST
    if not above.any():
        raise ScanFault(f"has no score above {SCORE_OF_INTEREST:g} in the synthetic picture to be compared")
    error = float(np.abs(exact - scanned)[above].max())
    if error > ERROR_LIMIT:
        raise ScanFault(
            f"differs by {error:.3f} from a score of the synthetic picture, and {ERROR_LIMIT:g} is allowed"
        )
    return error


def compare_block(exact: ScoreMap, rescored: ScoreMap) -> None:
    """Raise ScanFault if scores of a block above SCORE_OF_INTEREST differ from those of the whole map."""
    difference = float(np.abs(exact - rescored)[exact > SCORE_OF_INTEREST].max())
    if not difference <= ROUNDING:  # a NaN fails too
        raise ScanFault(
            f"has a block in the synthetic picture whose scores differ by {difference:.1e}, and {ROUNDING:g} is allowed"
        )


def _around_the_largest(scores: ScoreMap) -> Block:
    """A block of the size of those of a face around the largest score: 7x7 places, fewer at an edge."""
    rows, columns = scores.shape
    row, column = divmod(int(scores.argmax()), columns)
    return Block(row, column, row + 1, column + 1).field(rows, columns, FACE_RADIUS)


def file_name(
    cores: Cores, graph_sha256s: tuple[str, str], provider: str = CPU.official, device: str | None = None
) -> str:
    """Name of the file with the measured time: for all that the time follows from, on this machine."""
    measured_on = (
        (provider, device),
        processor_identity(),
        (cores.total, cores.widths),
        onnxruntime.__version__,
        machine_code.sources(),
        graph_sha256s,
    )
    return f"scan-trial-{hashlib.sha256(repr(measured_on).encode()).hexdigest()[:16]}.json"


def _kept(path: Path) -> KeptTime | None:
    """The time of an earlier start; None without one, or if its file is damaged."""
    content = kept_files.read_trusted(path)
    if content is None:
        return None
    try:
        return KeptTime.model_validate_json(content)
    except ValidationError:
        return None


def _time_ratio(detector: ScanningDetector, picture: NDArray[np.uint8], cores: Cores, photos: int) -> float:
    """Median time of the scan relative to float32, with the share of the cores of one of `photos` photos."""
    ratios = []
    with ExitStack() as in_work:
        for _ in range(photos):
            in_work.enter_context(cores.photo())
        for _ in range(RUNS):
            exact = _seconds(detector.exact.scores, picture)
            # Of neighbouring runs: other load of the machine changes both.
            ratios.append(_seconds(detector.scanned_scores, picture) / exact)
    return median(ratios)


def _seconds(compute: Callable[[NDArray[np.uint8]], ScoreMap], picture: NDArray[np.uint8]) -> float:
    started = time.perf_counter()
    compute(picture)
    return time.perf_counter() - started
