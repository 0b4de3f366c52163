"""What answers in half precision would differ in: `python -m benchmarks.half_precision FOLDER`.

No GPU is needed: both networks compute in float32, and every layer's values are rounded to float16's
(conversion/precision.py). Faces in float32 and so rounded are paired by their boxes. The exit code is 0, or 2 when
there was nothing to compare: whether the differences matter is for people to say.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks import corpus
from benchmarks.faces import AnsweredFace, distance, matched
from benchmarks.parity.accuracy import THRESHOLDS
from benchmarks.parity.comparison import GROUPING_CONFIDENCE
from benchmarks.parity.photos import decoded
from conversion.device import device_graph
from conversion.graphs import GRAPHS
from conversion.networks import descriptor_graph
from conversion.precision import LIKE_FLOAT16, Precision
from conversion.read_network import Network, read_network
from model_store import manifest
from model_store.store import WeightStore
from service.recognition import providers
from service.recognition.models import CNN_DETECTOR, DLIB_RESNET, MODELS, half
from service.recognition.opening import FLOAT16, FLOAT32, open_recognizer
from service.recognition.parallelism import ON_GPU
from service.recognition.recognizer import Recognizer

MODEL = MODELS[1]

ROUNDED: Mapping[str, Callable[[Network, Precision], bytes]] = MappingProxyType(
    {CNN_DETECTOR: device_graph, DLIB_RESNET: descriptor_graph}
)
"""The networks of MODEL, and what makes their graphs."""
DEVICE = replace(providers.CPU, name="device", shares=ON_GPU, half=True)
"""The CPU, treated as a device."""

Pair = tuple[AnsweredFace, AnsweredFace]
"""A face in float32, and rounded."""


def rounded_store(store: Path, folder: Path) -> Path:
    """A copy of a store in which the graphs in float16 round, in the place of being float16."""
    copy = shutil.copytree(store, folder / "store")
    for name, graph_of in ROUNDED.items():
        weights = WeightStore(copy).path(name).read_bytes()
        graph = graph_of(read_network(weights, GRAPHS[name].topology), LIKE_FLOAT16)
        manifest.graph_path(copy, half(name)).write_bytes(graph)
        written = replace(manifest.load(store, half(name)), graph_sha256=hashlib.sha256(graph).hexdigest())
        manifest.write(copy, written)
    return copy


def opened(store: Path, provider: str, precision: str) -> Recognizer:
    with patch.object(providers, "PROVIDERS", {**providers.PROVIDERS, DEVICE.name: DEVICE}):
        return open_recognizer(
            MODEL, engine="onnx", store=store, workers=1, threads=0, provider=provider, precision=precision
        )


def compare(paths: Iterable[Path], store: Path, area: int) -> tuple[list[Pair], int]:
    """Faces of both kinds, paired, and how many there are of one kind only."""
    pairs: list[Pair] = []
    alone = 0
    with tempfile.TemporaryDirectory() as folder:
        rounded = opened(rounded_store(store, Path(folder)), DEVICE.name, FLOAT16)
        with closing(rounded), closing(opened(store, providers.CPU.name, FLOAT32)) as in_float32:
            for photo in decoded(tqdm(list(paths), disable=None), area, []):
                expected, found = (_faces(one, photo.image) for one in (in_float32, rounded))
                same = matched(expected, found)
                pairs += same
                alone += len(expected) + len(found) - 2 * len(same)
    return pairs, alone


def _faces(recognizer: Recognizer, image: NDArray[np.uint8]) -> list[AnsweredFace]:
    return [
        AnsweredFace(face.rectangle, face.confidence, (), tuple(face.descriptor))
        for face in recognizer.recognize(image)
    ]


def report(pairs: list[Pair], alone: int) -> str:
    """The differences, a line each."""
    moved = [pair for pair in pairs if pair[0].rectangle != pair[1].rectangle]
    kept = [pair for pair in pairs if pair[0].rectangle == pair[1].rectangle]
    crossed = sum(
        (one.confidence < GROUPING_CONFIDENCE) != (other.confidence < GROUPING_CONFIDENCE)
        for one, other in pairs
    )
    before, after = (_distances([pair[side].descriptor for pair in pairs]) for side in (0, 1))
    lines = [
        f"{len(pairs)} faces in both, {alone} in one only, {len(moved)} of them in another box",
        f"confidence: {max(abs(one.confidence - other.confidence) for one, other in pairs):.1e} at most, "
        f"{crossed} across {GROUPING_CONFIDENCE}",
        f"distance of a descriptor from itself: {_furthest(kept):.4f} at most in the same box, "
        f"{_furthest(moved):.4f} in another",
        f"distance of two faces: changed by {np.abs(after - before).max(initial=0):.4f} at most of {len(before)}",
    ]
    lines += [
        f"  {((before < bound) != (after < bound)).sum()} across {bound}, {(before < bound).sum()} under it before"
        for bound in THRESHOLDS
    ]
    return "\n".join(lines)


def _furthest(pairs: list[Pair]) -> float:
    return max((distance(one, other) for one, other in pairs), default=0.0)


def _distances(descriptors: list[tuple[float, ...]]) -> NDArray[np.float64]:
    """Of every two."""
    every = np.array(descriptors)
    first, second = np.triu_indices(len(every), 1)
    distances: NDArray[np.float64] = np.linalg.norm(every[first] - every[second], axis=1)
    return distances


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.half_precision", description=__doc__)
    parser.add_argument("folder", type=Path, help="photos; folders in it are searched too")
    parser.add_argument("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    parser.add_argument("--megapixels", type=float, default=1.2, help="larger photos are scaled down to it")
    asked = parser.parse_args()
    pairs, alone = compare(corpus.photos_in(asked.folder), asked.store, int(asked.megapixels * 1e6))
    if not pairs:
        print("no faces")
        return 2
    print(report(pairs, alone))
    return 0


if __name__ == "__main__":
    sys.exit(main())
