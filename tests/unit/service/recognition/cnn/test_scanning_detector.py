"""The detector with a scan in int8: the faces and scores of the detector in float32, also with planted faults."""

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from model_store import manifest
from model_store.models import SCANNING_DETECTOR
from service.recognition.cnn import scanning_detector
from service.recognition.cnn.blocks import Block
from service.recognition.cnn.scan import MARGIN, SCANNED
from service.recognition.cnn.scan_kinds import BLOCK_FEATURES, BLOCK_SCORES, BLOCK_STRIP
from service.recognition.cnn.scanning_detector import ScanningDetector
from service.recognition.cnn.score_map import HEAD_RADIUS
from service.recognition.cnn.strips import CnnDetector, StripSizes
from service.recognition.compute.cores import Cores
from service.recognition.contract import EngineError, OutOfMemory
from service.recognition.engines import scan_trial
from service.recognition.engines.scan_trial import ScanFault, largest_error
from service.recognition.ort.sessions import Session
from service.recognition.synthetic_pictures import draw_face, group
from tests.unit.service.recognition.cnn.float32_detector import float32_detector

Picture = NDArray[np.uint8]
Scores = NDArray[np.float32]
ASTRONAUT = "astronaut.png"
"""A photo with one face."""


@pytest.fixture(scope="module")
def scan(store: Path) -> Session:
    return Session(manifest.graph_path(store, SCANNING_DETECTOR))


@pytest.fixture(scope="module")
def exact(store: Path) -> Iterator[CnnDetector]:
    with float32_detector(store, runs=2) as detector:
        yield detector


class _Faulty:
    """The scanning network with a planted fault: `change` is applied to its scores."""

    provider, cpu_fallback_runs, shares_cores = "test", 0, False

    def __init__(self, scan: Session, change: Callable[[Scores], Scores]) -> None:
        self._scan = scan
        self._change = change

    def run(self, value: NDArray[np.generic]) -> Scores:
        raise NotImplementedError

    def attempt(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> Scores:
        return self.compute(output, inputs)

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> Scores:
        result = self._scan.compute(output, inputs)
        return self._change(result) if output == SCANNED else result


def _tiled(picture: Picture, rows: int, columns: int) -> Picture:
    return np.tile(picture, (rows, columns, 1))


def test_faces_and_scores_are_those_of_float32(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(scan, exact, checked=1)
    found = {name: detect(picture) for name, picture in pictures.items()}
    assert found == {name: exact(picture) for name, picture in pictures.items()}
    assert sum(map(len, found.values())) == 2
    figures = detect.figures()
    assert (figures.photos, figures.checked) == (len(pictures), len(pictures))
    assert (figures.crowded, figures.deviating, figures.stopped) == (0, 0, None)
    assert 0 < figures.largest_error < 0.125
    assert 0 < figures.rescored < 0.15 * figures.scores


@pytest.mark.parametrize("shape", [(10, 19), (40, 40), (97, 131), (300, 60), (60, 300), (367, 241)])
def test_photos_of_any_shape(shape: tuple[int, int], scan: Session, exact: CnnDetector) -> None:
    detect = ScanningDetector(scan, exact, checked=1)
    image = np.full((*shape, 3), 110, np.uint8)
    draw_face(image, (shape[1] / 2, shape[0] / 2), min(shape) * 0.6, 0)
    scores, scanned = exact.scores(image), detect.scanned_scores(image)
    assert scanned.shape == scores.shape
    assert np.abs(scanned - scores).max(initial=0) < 0.5
    assert detect(image) == exact(image)
    assert detect.figures().stopped is None


def test_scanned_scores_are_equal_in_strips_of_any_size(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = pictures[ASTRONAUT]
    detect = ScanningDetector(scan, exact, checked=0)
    whole = detect.scanned_scores(image)
    for sizes in (StripSizes(1, 1), StripSizes(1 << 16, 1 << 10)):
        monkeypatch.setattr(exact, "sizes", lambda sizes=sizes: sizes)
        np.testing.assert_array_equal(detect.scanned_scores(image), whole)


def test_blocks_have_the_scores_of_the_whole_map(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    image = pictures[ASTRONAUT]
    detect = ScanningDetector(scan, exact, checked=0)
    whole = exact.scores(image)
    rows, columns = whole.shape
    random = np.random.default_rng(2)
    blocks = [Block(0, 0, 1, 1), Block(rows - 1, columns - 1, rows, columns), Block(0, 0, 7, columns)]
    for _ in range(12):
        top, left = random.integers(0, rows), random.integers(0, columns)
        blocks.append(
            Block(
                int(top),
                int(left),
                int(random.integers(top, rows)) + 1,
                int(random.integers(left, columns)) + 1,
            )
        )
    blocks.append(Block(rows // 2, columns // 2, rows // 2 + 5, columns // 2 + 5))
    assert not blocks[-1].padding(rows, columns).any()
    for block in blocks:
        np.testing.assert_array_equal(
            detect.block_scores(image, block), whole[block.slices], err_msg=str(block)
        )


def test_a_crowd_is_computed_in_float32(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    """A crowd of blocks: the scan's scores are above the floor everywhere."""
    lifted = _Faulty(scan, lambda scores: scores + np.float32(6))
    detect = ScanningDetector(lifted, exact, checked=0)
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])
    figures = detect.figures()
    assert (figures.photos, figures.crowded, figures.scores) == (1, 1, 0)


def test_twenty_faces_are_found_in_blocks(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    face = pictures[ASTRONAUT][40:220, 140:300]
    crowd = np.ascontiguousarray(_tiled(face, 4, 5))
    detect = ScanningDetector(scan, exact, checked=1)
    found = detect(crowd)
    assert found == exact(crowd)
    assert len(found) == 20
    figures = detect.figures()
    assert (figures.crowded, figures.checked, figures.stopped) == (0, 1, None)


def test_scores_that_are_too_far_away_make_float32_compute_the_photo(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    detect = ScanningDetector(_Faulty(scan, lambda scores: scores - np.float32(0.3)), exact, checked=0)
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])
    figures = detect.figures()
    assert (figures.photos, figures.deviating, figures.stopped) == (1, 1, None)
    assert 0.2 < figures.largest_error < 0.4
    assert "off by 0." in caplog.text


@pytest.mark.parametrize(("layer", "channel"), [(0, 5), (2, 2), (3, 41)])
def test_a_wrong_scale_of_one_channel_fails_the_trial_and_loses_no_face(
    layer: int,
    channel: int,
    store: Path,
    exact: CnnDetector,
    pictures: dict[str, Picture],
    tmp_path: Path,
) -> None:
    graph = onnx.load(manifest.graph_path(store, SCANNING_DETECTOR))
    convolutions = [node for node in graph.graph.node if node.op_type == "QLinearConv"]
    name = convolutions[layer].input[4]  # x, its scale and zero point, weights, their scales
    (scales,) = (constant for constant in graph.graph.initializer if constant.name == name)
    values = numpy_helper.to_array(scales).copy()
    values[channel] *= 1.5
    if layer == 0:  # it has every channel for even and for odd columns
        values[channel + len(values) // 2] *= 1.5
    scales.CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(graph, tmp_path / "faulty.onnx")

    detect = ScanningDetector(Session(tmp_path / "faulty.onnx"), exact, checked=0)
    with pytest.raises(ScanFault, match="differs by 0"):
        largest_error(exact.scores(group()), detect.scanned_scores(group()))
    assert {name: detect(picture) for name, picture in pictures.items()} == {
        name: exact(picture) for name, picture in pictures.items()
    }


def test_a_fault_of_the_head_for_blocks_fails_the_trial(
    store: Path, exact: CnnDetector, tmp_path: Path
) -> None:
    """Its last layers have weights of their own kind: 1x9 in float32, and a bias."""
    graph = onnx.load(manifest.graph_path(store, SCANNING_DETECTOR))
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 7  # of the scan's last layer two, and of the head for blocks five
    name = convolutions[-1].input[2]
    (bias,) = (constant for constant in graph.graph.initializer if constant.name == name)
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(1e-4), name))
    onnx.save(graph, tmp_path / "faulty.onnx")
    detect = ScanningDetector(Session(tmp_path / "faulty.onnx"), exact, checked=0)
    with closing(Cores()) as cores, pytest.raises(ScanFault, match=r"block .* differ by 1\.\de-04"):
        scan_trial.trial(detect, cores, ("", ""))


def test_a_margin_of_zero_makes_float32_compute_the_photo(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning_detector, "MARGIN", 0.0)
    monkeypatch.setattr(scanning_detector, "ERROR_LIMIT", 0.0)  # a share of the margin
    detect = ScanningDetector(scan, exact, checked=0)
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])
    assert detect.figures().deviating == 1


def test_scores_that_are_not_numbers_lose_no_face(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(_Faulty(scan, lambda scores: scores * np.float32(np.nan)), exact, checked=0)
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])
    assert detect.figures().crowded == 1

    def with_one(scores: Scores) -> Scores:
        scores[0, 0, 3, 4] = np.nan
        return scores

    detect = ScanningDetector(_Faulty(scan, with_one), exact, checked=0)
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])


def test_a_checked_photo_with_a_missed_face_stops_the_scan(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], caplog: pytest.LogCaptureFixture
) -> None:
    detect = ScanningDetector(
        _Faulty(scan, lambda scores: np.where(scores > -MARGIN, np.float32(-2), scores)), exact, checked=2
    )
    photo = pictures[ASTRONAUT]
    assert detect(photo) == []  # the fault is planted, and this photo is not checked
    for _ in range(3):
        assert detect(photo) == exact(photo)
    figures = detect.figures()
    assert (figures.photos, figures.checked) == (2, 1)
    assert figures.stopped is not None
    assert "missed" in figures.stopped
    assert caplog.text.count("The scan in int8 has stopped") == 1


class _Failing(_Faulty):
    """The scanning network, whose runs for an output, or all, fail with an error of the given kind."""

    def __init__(self, scan: Session, kind: type[EngineError], output: str | None = None) -> None:
        super().__init__(scan, lambda scores: scores)
        self._kind = kind
        self._output = output

    def compute(self, output: str, inputs: Mapping[str, NDArray[np.generic]]) -> Scores:
        if self._output in (None, output):
            raise self._kind("planted")
        return super().compute(output, inputs)


@pytest.mark.parametrize("output", [None, BLOCK_SCORES])
def test_a_scan_that_fails_stops_and_float32_computes_the_photo(
    output: str | None, scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(_Failing(scan, EngineError, output), exact, checked=1)
    for _ in range(2):
        assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])
    assert (detect.figures().photos, detect.figures().stopped) == (0, "planted")


def test_a_failure_in_float32_does_not_stop_the_scan(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(levels: object, field: object) -> Scores:
        raise EngineError("planted")

    detect = ScanningDetector(scan, exact, checked=0)
    with monkeypatch.context() as patch:
        patch.setattr(exact, "features", failing)
        with pytest.raises(EngineError, match="planted"):
            detect(pictures[ASTRONAUT])
    assert detect.figures().stopped is None
    assert detect(pictures[ASTRONAUT]) == exact(pictures[ASTRONAUT])


def test_a_lack_of_memory_does_not_stop_the_scan(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(_Failing(scan, OutOfMemory), exact, checked=1)
    with pytest.raises(OutOfMemory):
        detect(pictures[ASTRONAUT])
    assert detect.figures().stopped is None


def test_one_photo_in_so_many_is_checked_of_many_at_the_same_time(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture]
) -> None:
    detect = ScanningDetector(scan, exact, checked=4)
    photo = pictures[ASTRONAUT][:200, :200].copy()
    with ThreadPoolExecutor(8) as callers:
        assert list(callers.map(detect, [photo] * 24)) == [exact(photo)] * 24
    assert (detect.figures().photos, detect.figures().checked) == (24, 6)


def test_blocks_are_computed_in_strips(
    scan: Session, exact: CnnDetector, pictures: dict[str, Picture], monkeypatch: pytest.MonkeyPatch
) -> None:
    image, block = pictures[ASTRONAUT], Block(5, 3, 90, 40)
    sizes = StripSizes(1 << 16, 1 << 10)
    whole = exact.scores(image)
    pixels: list[int] = []
    places: list[int] = []

    def recording(network: Session, areas: list[int], name: str) -> None:
        attempt = network.attempt

        def recorded(output: str, inputs: Mapping[str, NDArray[np.generic]]) -> Scores:
            areas.append(math.prod(inputs[name].shape[2:]))
            return attempt(output, inputs)

        monkeypatch.setattr(network, "attempt", recorded)

    monkeypatch.setattr(exact, "sizes", lambda: sizes)
    recording(exact.network, pixels, "tile")  # type: ignore[arg-type]
    recording(scan, places, BLOCK_FEATURES)
    detect = ScanningDetector(scan, exact, checked=0)
    np.testing.assert_array_equal(detect.block_scores(image, block), whole[block.slices])
    assert len(pixels) > 5
    assert max(pixels) < 1.5 * sizes.tile
    assert len(places) > 3
    _, columns = block.field(*whole.shape).size
    assert max(places) <= BLOCK_STRIP * sizes.scores + 2 * HEAD_RADIUS * columns
