"""Validation of the parity benchmark: a fault planted in a stage of recognition turns the gate of that stage red alone.

Every stage of this checkout runs on real photos against dlib.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import suite
from benchmarks.harness import gates
from benchmarks.harness.results import Result, load
from benchmarks.parity import pixels
from benchmarks.parity.decoded_photos import Photo, decoded
from benchmarks.parity.reference import WEIGHTS, Reference, References
from benchmarks.parity.stages import Stages
from model_store.models import MODELS
from model_store.store import WeightStore
from service.images import decoding
from service.recognition.cnn import levels, resampling
from service.recognition.compute.cores import Cores
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.faces import chips
from service.recognition.faces.descriptors import DescriptorNetwork
from service.recognition.faces.landmarks import Landmarks
from service.recognition.factory import open_recognizer
from service.recognition.hog.detector import HogDetector
from tests.paths import ROOT

PHOTOS = ("obama.jpg", "obama2.jpg", "biden.jpg")
AREA = 200_000

Image = NDArray[np.uint8]
Plant = Callable[[pytest.MonkeyPatch], None]


@pytest.fixture(scope="module")
def truths(photos: dict[str, Path], store: Path) -> list[tuple[Photo, Reference]]:
    weights = WeightStore(store)
    references = References(ROOT / ".cache" / "reference", {name: weights.path(name) for name in WEIGHTS})
    small = decoded([photos[name] for name in PHOTOS], AREA, [])
    return list(references.of(small, processes=2))


def _red(truths: Sequence[tuple[Photo, Reference]], store: Path) -> list[str]:
    """Names of the red gates after all stages ran on all photos."""
    five, sixty_eight = (open_recognizer(MODELS[model], store) for model in (4, 2))
    result = Result(made="", plan="quick", complete=True)
    with closing(five), closing(sixty_eight):
        stages = Stages(five.engine, sixty_eight.engine)
        for photo, reference in truths:
            stages.add(photo, reference)
        stages.note(result)
    return _red_gates(result)


def _red_gates(result: Result) -> list[str]:
    return [
        verdict.gate.removeprefix("stage: ")
        for verdict in gates.verdicts(result, ["parity"])
        if verdict.status == "red"
    ]


def test_all_gates_are_green_without_a_fault(truths: list[tuple[Photo, Reference]], store: Path) -> None:
    assert all(reference.models[1] for _, reference in truths)
    assert _red(truths, store) == []


def _shifted_pyramid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shifts the samples of all levels except the first by half a pixel."""

    def sample_grid(source: Sequence[int], target: Sequence[int]) -> Any:
        return right((source[0], source[1] - 1), target)

    right = resampling.sample_grid
    monkeypatch.setattr(levels, "sample_grid", sample_grid)


def _wrong_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Subtracts the wrong mean in the CNN detector."""
    right = levels.Pyramids.__init__

    def init(self: levels.Pyramids, mean: NDArray[np.float32], cores: Cores) -> None:
        right(self, mean + np.float32(4), cores)

    monkeypatch.setattr(levels.Pyramids, "__init__", init)


def _swapped_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passes BGR instead of RGB to the descriptor network."""
    right = DescriptorNetwork.__call__
    monkeypatch.setattr(
        DescriptorNetwork,
        "__call__",
        lambda self, cut: right(self, np.ascontiguousarray(cut[..., ::-1])),
    )


def _landmarks_one_pixel_off(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Landmarks.__call__
    monkeypatch.setattr(Landmarks, "__call__", lambda self, image, boxes: right(self, image, boxes) + 1)


def _chips_by_another_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resamples chips up with one filter and down with another, like a warp without dlib's image pyramid."""
    right = chips.cut

    def cut(image: Image, landmarks: NDArray[np.int64]) -> Image:
        return np.stack(
            [
                cv2.resize(
                    cv2.resize(chip, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC),
                    (150, 150),
                    interpolation=cv2.INTER_LINEAR,
                )
                for chip in right(image, landmarks)
            ]
        ).astype(np.uint8, copy=False)

    monkeypatch.setattr(chips, "cut", cut)


def _hog_without_doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs HOG at half the size, as if the upsampling by 2 were left out."""
    right = HogDetector.__call__
    monkeypatch.setattr(
        HogDetector,
        "__call__",
        lambda self, image: right(self, cv2.resize(image, None, fx=0.5, fy=0.5).astype(np.uint8, copy=False)),
    )


def _no_face_confirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OnnxEngine, "hog_confirms", lambda _self, _image, boxes: [False] * len(boxes))


@pytest.mark.parametrize(
    ("plant", "stages"),
    [
        (
            _shifted_pyramid,
            {"CNN detector and its pyramid, boxes", "CNN detector and its pyramid, confidences"},
        ),
        (_wrong_mean, {"CNN detector and its pyramid, boxes", "CNN detector and its pyramid, confidences"}),
        (_hog_without_doubling, {"HOG detector"}),
        (_no_face_confirmed, {"CNN faces confirmed by HOG"}),
        (_landmarks_one_pixel_off, {"landmarks"}),
        (_chips_by_another_filter, {"aligned face crops (chips)"}),
        (_swapped_channel, {"descriptors"}),
    ],
)
def test_a_fault_turns_its_stage_red_and_no_other(
    plant: Plant,
    stages: set[str],
    truths: list[tuple[Photo, Reference]],
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plant(monkeypatch)
    red = set(_red(truths, store))
    assert red
    assert red <= stages


@pytest.fixture
def decoders() -> Iterator[pixels.DecoderComparison]:
    with closing(pixels.DecoderComparison()) as opened:
        yield opened


def _red_pixels(paths: Sequence[Path]) -> list[str]:
    """Names of the red gates after these files are decoded in this process, where faults are planted."""
    result, compared = Result(made="", plan="quick", complete=True), pixels.PixelDifferences()
    for path in paths:
        found = pixels.difference(path)
        assert found is not None
        compared.add(path, *found)
    compared.note(result)
    return _red_gates(result)


def test_a_decoder_that_swaps_channels_is_red(
    photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [photos["astronaut.png"], photos["obama.jpg"]]
    assert _red_pixels(files) == []
    right = decoding.decode
    monkeypatch.setattr(
        decoding, "decode", lambda *given, **named: np.ascontiguousarray(right(*given, **named)[..., ::-1])
    )
    assert set(_red_pixels(files)) == {"decoded PNG, BMP and GIF", "decoded JPEG and WebP"}


def test_a_decoder_that_reads_less_is_red(photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_named: object) -> Image:
        raise decoding.UndecodableImage("no")

    monkeypatch.setattr(decoding, "decode", refuse)
    assert _red_pixels([photos["astronaut.png"]]) == ["what dlib decodes is decoded"]


@pytest.mark.slow
def test_a_fault_turns_the_whole_run_red(
    photos: dict[str, Path], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The services of the run are other processes, without the fault; its stages run in this process, with it."""
    (tmp_path / "photos").mkdir()
    shutil.copy(photos["obama2.jpg"], tmp_path / "photos")
    _landmarks_one_pixel_off(monkeypatch)
    options = ["--only", "parity", "--models", "3", "--store", str(store), "--out", str(tmp_path)]
    assert suite.main([str(tmp_path / "photos"), *options]) == 1
    result = load(tmp_path / "result.json")
    assert result.complete
    assert [verdict.gate for verdict in result.verdicts if verdict.status == "red"] == ["stage: landmarks"]
    assert "Do not switch" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_files_are_compared_in_another_process(
    photos: dict[str, Path], tmp_path: Path, decoders: pixels.DecoderComparison
) -> None:
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"\xff\xd8\xff")
    assert decoders.difference(damaged) is None  # dlib cannot decode it either
    assert decoders.difference(photos["astronaut.png"]) == ("PNG", 0.0)
