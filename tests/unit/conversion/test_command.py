"""`python -m conversion`: idempotent, killed in the middle, concurrent, and its errors."""

import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from conversion.__main__ import main
from conversion.convert import ConversionError, convert
from conversion.dat.layers import Conv
from conversion.dat.read_network import Network
from conversion.graphs import quantisation
from conversion.graphs.builder import folded
from conversion.validation.specifications import SPECIFICATIONS
from model_store import manifest
from model_store.models import (
    CNN_DETECTOR,
    DLIB_RESNET,
    FLOAT16_SCANNING_DETECTOR,
    GRAPHS,
    SCANNING_DETECTOR,
)
from model_store.store import WeightStore
from tests.paths import ROOT
from tests.processes import with_tmpfs


@pytest.fixture
def own_store(tmp_path: Path, detector_weights: Path) -> Path:
    """A new store with the detector's weights, the fastest to convert."""
    folder = tmp_path / "store" / "weights"
    folder.mkdir(parents=True)
    shutil.copy(detector_weights, folder)
    return folder.parent


DETECTOR_GRAPHS = (CNN_DETECTOR, SCANNING_DETECTOR, FLOAT16_SCANNING_DETECTOR)
"""The graphs of one weight file."""


def _command(store: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "conversion", "--store", str(store), *arguments]


def _run(store: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(_command(store, *arguments), cwd=ROOT, capture_output=True, text=True)


def test_every_graph_has_a_specification() -> None:
    assert set(SPECIFICATIONS) == set(GRAPHS)


@pytest.mark.slow
def test_second_run_converts_nothing(own_store: Path) -> None:
    first = _run(own_store)
    assert first.returncode == 0, first.stderr
    announced, *lines = first.stdout.splitlines()
    assert announced == "files to convert and validate: 3 (0 additional photos)"
    for name, line in zip(DETECTOR_GRAPHS, lines, strict=True):
        reference = "dlib 20.0.1" if name == CNN_DETECTOR else "the float32 graph"
        assert line.startswith(f"{name}: largest difference from {reference} on ")
    graph = manifest.graph_path(own_store, CNN_DETECTOR)
    written = graph.stat().st_mtime_ns, graph.stat().st_ino
    facts = manifest.load(own_store, CNN_DETECTOR).detector
    assert facts is not None
    assert facts.window_width == 80

    second = _run(own_store)
    assert second.returncode == 0
    assert second.stdout == f"converted files up to date in {own_store}: 3\n"
    assert written == (graph.stat().st_mtime_ns, graph.stat().st_ino)


@pytest.mark.not_quick
@pytest.mark.usefixtures("without_dlib", "few_scan_pictures")
def test_a_scan_that_fails_its_validation_stops_a_conversion_only_by_its_name(
    own_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(quantisation, "LARGEST_WEIGHT", 2)
    assert main(["--store", str(own_store)]) == 0
    line = capsys.readouterr().out.splitlines()[2]
    assert re.match(
        rf"{SCANNING_DETECTOR}: not converted: scores: .* away from the float32 graph, 0.25", line
    )
    assert line.endswith("; without it, FACE_PRECISION=auto computes in float32")
    written = {name for name in DETECTOR_GRAPHS if manifest.graph_path(own_store, name).exists()}
    assert written == {*DETECTOR_GRAPHS} - {SCANNING_DETECTOR}

    assert main(["--store", str(own_store), SCANNING_DETECTOR]) == 1
    assert f"error: {SCANNING_DETECTOR} was not converted: scores: " in capsys.readouterr().err


@pytest.mark.not_quick
@pytest.mark.usefixtures("few_scan_pictures")
def test_weights_without_a_calibration_are_an_error_with_the_layer(
    tmp_path: Path, detector_weights: Path, detector: Network
) -> None:
    data = bytearray(detector_weights.read_bytes())
    convolutions = [layer for layer in folded(detector.layers) if isinstance(layer, Conv)]
    for tensor in convolutions[2].stored:
        data[tensor.offset : tensor.offset + tensor.values.nbytes] = bytes(tensor.values.nbytes)
    weights = tmp_path / detector_weights.name
    weights.write_bytes(data)
    with pytest.raises(ConversionError, match="layer 2 cannot be calibrated: its largest value is 0"):
        convert(WeightStore(tmp_path), {SCANNING_DETECTOR: weights}, None, True, [SCANNING_DETECTOR])


@pytest.mark.parametrize(("device", "files"), [([], 5), (["--device"], 6)])
def test_several_models_share_their_files_and_have_graphs_for_a_gpu_only_on_request(
    device: list[str], files: int, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--store", str(store), "--model", "1", "2", "3", "4", *device]) == 0
    assert capsys.readouterr().out == f"converted files up to date in {store}: {files}\n"


@pytest.mark.slow
def test_validates_on_photos_of_a_folder_too(
    own_store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("obama.jpg", "astronaut.png"):
        with Image.open(photos[name]) as photo:
            photo.resize((150, 180)).save(folder / name)  # dlib takes 6 seconds per megapixel
    done = _run(own_store, "--photos", str(folder), "--force", CNN_DETECTOR)
    assert done.returncode == 0, done.stderr
    validation = manifest.load(own_store, CNN_DETECTOR).validation
    assert (validation.photos, validation.inputs) == (2, 6)


@pytest.mark.usefixtures("without_dlib")
def test_graph_of_another_converter_or_source_is_converted_again(own_store: Path) -> None:
    assert main(["--store", str(own_store), CNN_DETECTOR]) == 0
    path = manifest.manifest_path(own_store, CNN_DETECTOR)
    whole = path.read_text()
    for key, value in (("converter", 0), ("source_sha256", "0" * 64), ("graph_sha256", "0" * 64)):
        path.write_text(json.dumps(json.loads(whole) | {key: value}))
        assert main(["--store", str(own_store), CNN_DETECTOR]) == 0
        assert path.read_text() == whole


_KILLED = """
import os, signal, sys
from conversion.__main__ import main
{patch}
main(["--store", *sys.argv[1:]])
"""
_KILL = "lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)"
_PATCHES = {
    "while validating": f"import conversion.export as e; e.validate_graph = {_KILL}",
    "while writing the graph": f"os.fsync = {_KILL}",
    "before the manifest": f"from model_store import manifest; manifest.write = {_KILL}",
}


@pytest.mark.usefixtures("without_dlib")
@pytest.mark.parametrize(
    ("moment", "earlier"),
    [
        *((moment, False) for moment in _PATCHES),
        *(pytest.param(moment, True, marks=pytest.mark.slow) for moment in [*_PATCHES][:-1]),
        ([*_PATCHES][-1], True),
    ],
)
def test_killed_conversion_leaves_no_usable_graph(own_store: Path, moment: str, earlier: bool) -> None:
    """`earlier`: over a graph of an earlier converter."""
    if earlier:
        assert main(["--store", str(own_store), CNN_DETECTOR]) == 0
        path = manifest.manifest_path(own_store, CNN_DETECTOR)
        path.write_text(
            path.read_text().replace(f'"converter": {manifest.CONVERTER_VERSION}', '"converter": 0')
        )
    killed = subprocess.run(
        [sys.executable, "-c", _KILLED.format(patch=_PATCHES[moment]), own_store, CNN_DETECTOR],
        cwd=ROOT,
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    with pytest.raises(manifest.GraphError):
        manifest.load(own_store, CNN_DETECTOR)

    assert main(["--store", str(own_store), CNN_DETECTOR]) == 0
    manifest.load(own_store, CNN_DETECTOR)
    names = sorted(file.name for file in (own_store / "onnx").iterdir())
    assert names == [".lock", f"{CNN_DETECTOR}.json", f"{CNN_DETECTOR}.onnx"]


@pytest.mark.usefixtures("without_dlib")
def test_two_concurrent_runs_convert_once(own_store: Path) -> None:
    both = [
        subprocess.Popen(_command(own_store, CNN_DETECTOR), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("largest difference" in output for output in outputs) == [False, True]
    manifest.load(own_store, CNN_DETECTOR)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["frontal_face_detector"], "cannot be converted; names are"),
        ([DLIB_RESNET], f"{DLIB_RESNET}.dat is missing"),
        (["--model", "1"], f"{DLIB_RESNET}.dat is missing"),
        (["--photos", "/nonexistent", "--force"], "/nonexistent is not a folder"),
    ],
)
def test_error_is_one_line_with_the_remedy(own_store: Path, arguments: list[str], message: str) -> None:
    done = _run(own_store, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.not_quick
def test_full_disk_is_an_error_of_one_line(own_store: Path) -> None:
    folder = own_store / "onnx"
    folder.mkdir()
    command = [*with_tmpfs(folder, "size=64k"), *_command(own_store, CNN_DETECTOR)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {own_store} cannot be written: No space left on device. Free some space")


def test_package_photos_are_downloaded_only_for_a_conversion(
    store: Path, own_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    folder = str(tmp_path / "photos")
    assert _run(store, "--model", "4", "--package-photos", folder).returncode == 0
    needed = _run(own_store, "--package-photos", folder)
    assert needed.returncode == 1
    assert needed.stderr.startswith("error: no photos for the comparison with dlib: ")
    assert needed.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EROFS, errno.ENOSPC])
def test_a_store_that_cannot_be_written_is_one_line_with_the_remedy(
    own_store: Path, number: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", fail)
    assert main(["--store", str(own_store), CNN_DETECTOR]) == 1
    line = capsys.readouterr().err
    assert os.strerror(number) in line
    assert "FACE_STORE name a folder" in line
    assert line.count("\n") == 1


def test_empty_store_is_an_error(tmp_path: Path) -> None:
    done = _run(tmp_path)
    assert done.returncode == 1
    assert "python -m model_store fetch" in done.stderr


def test_damaged_weights_are_not_converted(own_store: Path) -> None:
    weights = own_store / "weights" / f"{CNN_DETECTOR}.dat"
    weights.write_bytes(weights.read_bytes()[:-1])
    done = _run(own_store)
    assert done.returncode == 1
    assert "wrong content" in done.stderr
    assert not (own_store / "onnx").exists()


def test_face_store_is_the_default_store(own_store: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "conversion", "--model", "3"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "FACE_STORE": str(own_store)},
    )
    assert f"{own_store}/weights/{DLIB_RESNET}.dat is missing" in done.stderr
