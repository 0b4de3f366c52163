"""Proof of a device at the start: its values and its time on a synthetic picture, compared with the CPU's.

A listed device need not compute right: drivers have faults, and OpenVINO computes in bfloat16 unless told otherwise. So
each start compares the scores of the whole map, the faces after NMS and descriptors with the CPU, by the bounds of
parity. The time is measured at the first start with a driver, and kept beside the compiled loops (device_verdicts.py).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from numpy.typing import NDArray

from service.recognition.cnn import pyramid
from service.recognition.cnn.score_map import detections_of_map
from service.recognition.contract import (
    CHIP_SIDE,
    DESCRIPTORS_ALLOWED,
    SCORES_ALLOWED,
    Detection,
    DeviceProof,
    EngineError,
    OutOfMemory,
)
from service.recognition.engines.device_verdicts import Subject
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.ort.device import Kind
from service.recognition.synthetic_pictures import Picture, group, one_face, typical_photo

CLEARLY_FASTER = 0.8
"""Largest time ratio with which `auto` uses a device. A photo's other stages run on the CPU's cores meanwhile, so a
device saves more than its ratio tells; but a ratio near 1 is within the noise of five runs."""
FAR_SLOWER = 3.0
"""Time ratio of the first run above which no further run is measured."""
RUNS = 5
"""Runs of each kind, alternately, for a median."""


@dataclass(frozen=True)
class _Values:
    """Values of the picture by one engine."""

    scores: NDArray[np.float32] | None
    """The map of the CNN detector in float32; None for a model without that detector."""
    faces: Sequence[Detection]
    descriptors: NDArray[np.float32]


def prove(device: OnnxEngine, cpu: OnnxEngine, subject: Subject, kept: DeviceProof | None) -> DeviceProof:
    """Compare a device with the CPU, and measure both unless an earlier start has, or the device is a software adapter.

    Args:
        device: the engine on the device.
        cpu: the engine as the CPU would compute, on all cores and with its scan if that is used.
        subject: the device.
        kept: proof of an earlier start, whose time is taken; None: measure it.

    Raises:
        OutOfMemory: the device has no memory for the picture, which is no fault of its values.
    """
    untested = DeviceProof(
        provider=subject.provider,
        device=subject.device,
        driver=subject.driver,
        passed=False,
        reason=None,
        score_difference=None,
        descriptor_difference=None,
        faces_differ=False,
        time_ratio=None,
    )
    is_software = subject.kind is Kind.SOFTWARE
    picture = one_face() if is_software else group()
    try:
        compared = _compared(untested, _values(device, picture), _values(cpu, picture))
        if is_software or not compared.passed:
            return compared
        if kept and kept.time_ratio is not None:
            return replace(compared, time_ratio=kept.time_ratio, kept=True)
        return replace(compared, time_ratio=_time_ratio(device, cpu))
    except OutOfMemory:
        raise
    except EngineError as error:
        return replace(untested, reason=str(error))


def slower(proof: DeviceProof, kind: Kind) -> str | None:
    """The reason why `auto` does not use a device that passed, in one line; None if it is clearly faster."""
    if kind is Kind.SOFTWARE:
        return "it is a software adapter, which computes on the CPU, many times slower"
    if proof.time_ratio is None or proof.time_ratio <= CLEARLY_FASTER:
        return None
    return (
        f"it takes {proof.time_ratio:.2f} of the CPU's time, and `auto` asks for {CLEARLY_FASTER:g} or less"
    )


def _values(engine: OnnxEngine, picture: NDArray[np.uint8]) -> _Values:
    """Values of the picture. Raises OutOfMemory if a device had no memory for them."""
    scores, faces = None, list[Detection]()
    if exact := engine.exact_detector:
        scores = exact.scores(picture)
        layout = pyramid.layout(*picture.shape[:2])
        assert layout is not None, "the picture is large enough for a score"
        faces = detections_of_map(scores, layout, exact.window)
    values = _Values(scores, faces, engine.descriptors(_chips(picture)))
    if engine.cpu_fallback_runs:
        raise OutOfMemory(
            "it has too little memory for a single face or strip: free some on the device, or raise FACE_GPU_MEMORY"
        )
    return values


def _chips(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Two squares of the picture, with parts of faces, in place of chips."""
    return np.stack([picture[:CHIP_SIDE, :CHIP_SIDE], picture[-CHIP_SIDE:, -CHIP_SIDE:]])


def _compared(untested: DeviceProof, found: _Values, expected: _Values) -> DeviceProof:
    descriptors = _difference(found.descriptors, expected.descriptors)
    differing = [_over("one of the 128 numbers of a face", descriptors, DESCRIPTORS_ALLOWED)]
    scores, faces_differ = None, False
    if found.scores is not None and expected.scores is not None:
        on_device, on_cpu = (
            {face.rectangle: face.confidence for face in of.faces} for of in (found, expected)
        )
        faces_differ = on_device.keys() != on_cpu.keys()
        both = [abs(on_device[box] - on_cpu[box]) for box in on_device.keys() & on_cpu.keys()]
        scores = max(_difference(found.scores, expected.scores), *both, 0.0)
        differing.append(_over("a score of the face detector", scores, SCORES_ALLOWED))
        if faces_differ:
            missing = len(on_cpu.keys() - on_device.keys())
            added = len(on_device.keys() - on_cpu.keys())
            differing.append(f"{missing} of {len(on_cpu)} faces are missing, and {added} are added")
    reason = "; ".join(filter(None, differing)) or None
    return replace(
        untested,
        passed=reason is None,
        reason=reason,
        score_difference=scores,
        descriptor_difference=descriptors,
        faces_differ=faces_differ,
    )


def _over(compared: str, difference: float, allowed: float) -> str | None:
    if difference <= allowed:
        return None
    return f"{compared} differs from the CPU's by {difference:.2g} ({allowed:g} allowed)"


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """The largest difference. Another shape, NaN and infinity count as 1, which no bound allows."""
    if found.shape != expected.shape:
        return 1.0
    return float(np.nan_to_num(np.abs(found - expected), nan=1.0, posinf=1.0).max(initial=0.0))


def _time_ratio(device: OnnxEngine, cpu: OnnxEngine) -> float:
    """Median time on the device relative to the CPU."""
    photo = typical_photo()
    for engine in (cpu, device):
        _seconds(engine, photo)  # the blocks of a scan have sizes for which a device prepares its first run
    ratios: list[float] = []
    while len(ratios) < RUNS and (not ratios or ratios[0] < FAR_SLOWER):
        on_cpu = _seconds(cpu, photo)
        # Of neighbouring runs: other load of the machine changes both.
        ratios.append(_seconds(device, photo) / on_cpu)
    return median(ratios)


def _seconds(engine: OnnxEngine, photo: Picture) -> float:
    """Time of both networks for a photo and one face.

    The photo is mostly without faces, as photos are. In a picture full of them the CPU's scan saves nothing, and a
    device would seem faster than it is: OpenVINO on a CPU with VNNI had a ratio of 0.69 there, and of 2.1 for a photo.
    """
    chip = _chips(photo)[:1]
    started = time.perf_counter()
    if engine.exact_detector is not None:
        engine.cnn_detections(photo)
    engine.descriptors(chip)
    return time.perf_counter() - started
