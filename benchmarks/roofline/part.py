"""The roofline part of a run: share of the machine's matrix product and memory bandwidth that the networks reach.

Operations and minimum bytes are those of dlib's original networks (networks.py), regardless of the runtime's kernels. A
network with many operations per byte is bounded by the matrix product, a network with few by the bandwidth. The scan in
int8 has the operations of the detector and a quarter of its bytes, and is held against the product in int8.

The detector's networks are timed alone, without the pyramid around them. No public interface separates the two, hence
the imports from `service.recognition.cnn`, `compute` and `ort`.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.results import FLOAT32, INT8, Key, NumberKind, Result
from benchmarks.harness.steps import Need, Step
from benchmarks.roofline.machine import TRIES, Int8MatrixProduct, MatrixProduct, MemoryBandwidth, best
from benchmarks.roofline.networks import FLOAT, work
from conversion.dat.topologies import DESCRIPTOR, DETECTOR
from model_store import manifest
from model_store.models import CNN_DETECTOR, DLIB_RESNET, SCANNING_DETECTOR
from service.recognition.cnn import pyramid, scan_kinds
from service.recognition.cnn.levels import Pyramids
from service.recognition.cnn.pyramid import Layout
from service.recognition.cnn.scan import scanned_in_strips
from service.recognition.cnn.strips import Compute, scores_in_strips
from service.recognition.compute.core_count import computing_cores
from service.recognition.compute.cores import Cores
from service.recognition.contract import CHIP_SIDE
from service.recognition.ort.sessions import Session

PHOTO = (1000, 1200)
"""Rows and columns of the detector's input image."""
FACES = 32
"""Batch size of the descriptor network."""
ROUND_SECONDS = 3.5
"""Estimated duration of a round (measured on two cores)."""
GIGA = 1e9


@dataclass(frozen=True)
class Network:
    """Opened network with its work and its input."""

    name: str
    operations: int
    bytes: int
    """Minimum memory traffic of a run."""
    seconds: Callable[[], float]
    """Runs the network; seconds of the fastest of `TRIES` runs."""
    kind: NumberKind = FLOAT32
    """Metrics of its numbers."""


def seconds(rounds: int) -> float:
    """Estimated duration of this number of rounds."""
    return rounds * ROUND_SECONDS


def steps(rounds: int, store: Path, result: Result, stack: ExitStack) -> list[Step]:
    """One step per round, which measures all peaks and all networks. The first step opens them.

    Args:
        rounds: number of rounds.
        store: the model store's root. A step raises GraphError or EngineError if its graphs are unusable.
        result: receives the figures.
        stack: closes the sessions' threads.
    """
    roofline = _Roofline(store, result, stack)
    return [
        Step(f"roofline: round {number} of {rounds}", ROUND_SECONDS, roofline.round, Need.SHOULD)
        for number in range(1, rounds + 1)
    ]


class _Roofline:
    def __init__(self, store: Path, result: Result, stack: ExitStack) -> None:
        self._store, self._result, self._stack = store, result, stack
        self._networks: list[Network] = []

    def round(self) -> None:
        if not self._networks:
            self._open()
        bandwidth = self._memory.measure()
        operations = {kind: product.measure() for kind, product in self._products.items()}
        self._note("", {kind.peak: of_kind / GIGA for kind, of_kind in operations.items()})
        self._note("", {"memory bandwidth": bandwidth / GIGA})
        for network in self._networks:
            seconds = network.seconds()
            reached = network.operations / seconds
            values = {
                network.kind.network: reached / GIGA,
                network.kind.share: reached / operations[network.kind],
                "share of bandwidth": network.bytes / seconds / bandwidth,
                "operations per byte": network.operations / network.bytes,
            }
            self._note(network.name, values)

    def _open(self) -> None:
        product, self._memory = MatrixProduct(), MemoryBandwidth()
        self._products: dict[NumberKind, MatrixProduct | Int8MatrixProduct] = {
            FLOAT32: product,
            INT8: Int8MatrixProduct(),
        }
        self._networks = [
            detector(self._store, self._stack),
            scan(self._store, self._stack),
            descriptor(self._store),
        ]
        for network in self._networks:
            network.seconds()
        busy = round(product.cores_busy(), 2)
        self._result.facts["roofline"] = {"cores busy in a matrix product": busy}

    def _note(self, stage: str, values: Mapping[str, float]) -> None:
        for metric, value in values.items():
            side = "library" if stage else ""
            self._result.note(Key(section="roofline", metric=metric, stage=stage, side=side), value)


def detector(store: Path, stack: ExitStack) -> Network:
    """Detector network over an image of noise, without the work between its runs."""
    return _detector(CNN_DETECTOR, scores_in_strips, store, stack)


def scan(store: Path, stack: ExitStack) -> Network:
    """The detector's scan in int8 over that image, without the work between its runs."""
    found = _detector(SCANNING_DETECTOR, partial(scanned_in_strips, kind=scan_kinds.INT8), store, stack)
    return replace(found, bytes=found.bytes // FLOAT, kind=INT8)


def _detector(
    name: str,
    scores: Callable[[Compute, NDArray[np.uint8], Layout, Pyramids], object],
    store: Path,
    stack: ExitStack,
) -> Network:
    """A graph of the detector, whose map `scores` computes; operations and bytes are those of float32."""
    facts = manifest.load(store, CNN_DETECTOR).detector
    layout = pyramid.layout(*PHOTO)
    if facts is None or layout is None:
        raise manifest.GraphError(
            f"the manifest of {CNN_DETECTOR} lacks the detector's facts: convert it again"
        )
    session = Session(manifest.graph_path(store, name), computing_cores())
    cores = stack.enter_context(closing(Cores()))
    pyramids = Pyramids(np.array(facts.mean, np.float32), cores)
    image = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3), dtype=np.uint8)

    def once() -> float:
        spent: list[float] = []

        def compute(output: str, given: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
            start = time.perf_counter()
            result = session.compute(output, given)
            spent.append(time.perf_counter() - start)
            return result

        scores(compute, image, layout, pyramids)
        return sum(spent)

    counted = work(DETECTOR, layout.rows, layout.columns)
    least = counted.weights + counted.activations
    return Network(name, counted.operations, least, lambda: min(once() for _ in range(TRIES)))


def descriptor(store: Path) -> Network:
    """Descriptor network over chips of noise."""
    session = Session(manifest.graph_path(store, DLIB_RESNET), computing_cores())
    chips = np.random.default_rng(0).integers(0, 256, (FACES, CHIP_SIDE, CHIP_SIDE, 3), dtype=np.uint8)
    counted = work(DESCRIPTOR, CHIP_SIDE, CHIP_SIDE)
    least = counted.weights + FACES * counted.activations
    return Network(DLIB_RESNET, FACES * counted.operations, least, partial(best, partial(session.run, chips)))
