"""Photos of a plan, their order if the time does not suffice for all, and the figures of the scan in int8."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from benchmarks.harness import gates
from benchmarks.harness.corpus import Corpus
from benchmarks.harness.results import Result
from benchmarks.parity.baselines import Expected, Recording
from benchmarks.parity.candidates import Candidate, own_settings
from benchmarks.parity.corpus_comparison import LEAST_PHOTOS, PLANS, CorpusComparison, selected
from benchmarks.parity.decoded_photos import Photo
from benchmarks.report import tables
from model_store import manifest
from model_store.models import SCANNING_DETECTOR
from service.recognition.contract import ScanFigures, Stage
from service.recognition.ort import providers

GATE = "scan in int8: no score above the threshold missed"


@pytest.mark.parametrize(("there", "quick"), [(1, 1), (6, 6), (20, 20), (100, 20)])
def test_the_quick_plan_takes_twenty_photos_and_the_full_one_all(there: int, quick: int) -> None:
    corpus = Corpus(Path(), [Path(f"{number:03}.jpg") for number in range(there)])
    assert len(set(selected(PLANS["quick"], corpus))) == len(selected(PLANS["quick"], corpus)) == quick
    assert sorted(selected(PLANS["full"], corpus)) == corpus.photos


def test_the_first_photos_are_spread_over_the_folder() -> None:
    corpus = Corpus(Path(), [Path(f"{number:03}.jpg") for number in range(100)])
    first = [int(path.stem) for path in selected(PLANS["quick"], corpus)[:LEAST_PHOTOS]]
    assert first == sorted(first)
    assert max(after - before for before, after in zip([0, *first], [*first, 100], strict=True)) <= 20


class _NoFaces:
    """Baseline without a face in any photo."""

    name = "none"
    models: Sequence[int] = (1, 3)

    def of(self, photos: Iterable[Photo]) -> Iterator[Expected]:
        return (Expected(photo, {1: [], 3: []}) for photo in photos)


def _candidate(scan: ScanFigures | None, stopped: str | None = None) -> Candidate:
    """Service without a face in any photo, whose `/info` has these counts, and this reason of an earlier worker."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/detect":
            return httpx.Response(200, json={"faces": [], "faces-count": 0})
        stages = {"landmarks": asdict(Stage("compiled", "cpu"))}
        if scan is not None:
            stages["cnn_detections"] = asdict(Stage("onnx", "cpu", precision="int8 scan", scan=scan))
        return httpx.Response(200, json={"stages": stages, "worker": {"scan_stopped": stopped}})

    return Candidate(httpx.Client(base_url="http://service", transport=httpx.MockTransport(answer)))


def _compared(folder: Path, scan: ScanFigures | None, stopped: str | None = None) -> Result:
    path = folder / "photo.png"
    cv2.imwrite(str(path), np.zeros((32, 32, 3), np.uint8))
    candidates = {1: _candidate(scan, stopped), 3: _candidate(None)}
    comparison = CorpusComparison(
        Corpus(folder, [path]), PLANS["quick"], _NoFaces(), candidates, None, Recording(), 1
    )
    with ExitStack() as stack:
        for step in comparison.steps(stack):
            step.run()
    result = Result(made="2026-01-01T00:00:00+00:00", plan="quick")
    comparison.note(result)
    result.facts["services"] = dict(comparison.computed_by)
    result.verdicts = gates.verdicts(result, ["parity"])
    return result


def _status(result: Result) -> str | None:
    return next((verdict.status for verdict in result.verdicts if verdict.gate == GATE), None)


def test_the_counts_of_the_scan_are_figures(tmp_path: Path) -> None:
    scan = ScanFigures(
        photos=9, crowded=2, deviating=1, checked=6, scores=4000, rescored=100, largest_error=0.0625
    )
    result = _compared(tmp_path, scan)
    assert {figure.key.name: figure.value for figure in result.find(stage="scan")} == {
        "parity/model 1/scan/photos": 9,
        "parity/model 1/scan/crowded": 2,
        "parity/model 1/scan/deviating": 1,
        "parity/model 1/scan/checked": 6,
        "parity/model 1/scan/share rescored": 0.025,
        "parity/model 1/scan/largest error": 0.0625,
        "parity/model 1/scan/stopped": 0,
    }
    assert _status(result) == "green"
    assert result.facts["services"] == {"model 1": "compiled, onnx, int8 scan", "model 3": "compiled"}
    (table,) = (table for table in tables.filled(result, "same") if "baseline" in table.title)
    rows = {row.label: row.cells for row in table.rows}
    assert rows["scan in int8: share of a whole map, by the cost of the blocks"] == ("2.5 %", "")


def test_a_scan_that_stopped_is_red(tmp_path: Path) -> None:
    result = _compared(tmp_path, ScanFigures(photos=1, checked=1, stopped="the scan missed 1"))
    (verdict,) = (verdict for verdict in result.verdicts if verdict.gate == GATE)
    assert (verdict.status, verdict.says) == (
        "red",
        "stopped, since a score above the threshold differed: 1 (model 1: scan in int8); allowed: at most 0",
    )


def test_a_scan_that_stopped_in_an_earlier_worker_is_red(tmp_path: Path) -> None:
    assert _status(_compared(tmp_path, None, "the scan missed 1")) == "red"


def test_a_scan_of_which_no_photo_was_checked_has_no_verdict(tmp_path: Path) -> None:
    result = _compared(tmp_path, ScanFigures(photos=9))
    (verdict,) = (verdict for verdict in result.verdicts if verdict.gate == GATE)
    assert (verdict.status, verdict.says) == (
        "abstains",
        "too few to judge: 0 photos computed in float32 too (1 needed)",
    )


@pytest.mark.parametrize(
    ("environment", "precision"),
    [({}, "mixed"), ({"FACE_PROVIDERS": "CPU"}, "mixed"), ({"FACE_PRECISION": "float32"}, None)],
)
def test_services_on_a_cpu_scan_unless_the_environment_names_a_precision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], precision: str | None
) -> None:
    monkeypatch.setattr(providers, "AUTO_ORDER", ())
    for name in ("FACE_PROVIDERS", "FACE_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert "FACE_PRECISION" not in own_settings(tmp_path)
    graph = manifest.manifest_path(tmp_path, SCANNING_DETECTOR)
    graph.parent.mkdir(parents=True)
    graph.touch()
    assert own_settings(tmp_path).get("FACE_PRECISION") == precision


def test_without_a_scan_there_is_no_gate_on_it(tmp_path: Path) -> None:
    result = _compared(tmp_path, None)
    assert result.figures
    assert _status(result) is None
