"""A converted file is usable only with its matching manifest."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model_store import manifest
from model_store.command import command
from model_store.manifest import CONVERTER_VERSION, DetectorFacts, GraphError, Manifest, Validation
from tests.paths import ROOT

NAME = "network"
GRAPH = b"a graph"


@pytest.fixture
def written(tmp_path: Path) -> Manifest:
    whole = Manifest(
        name=NAME,
        converter=CONVERTER_VERSION,
        opset=17,
        source_sha256="5" * 64,
        graph_sha256=hashlib.sha256(GRAPH).hexdigest(),
        validation=Validation("dlib 20.0.1", 4, 0, {"scores": 1e-6}, {"scores": 1e-5}),
        detector=DetectorFacts(
            80, 80, 0.34, 1.0, (122.78199768066406, 117.0, 104.3), 10, 11, 6, 0.0, ("plain",)
        ),
    )
    manifest.graph_path(tmp_path, NAME).parent.mkdir()
    manifest.graph_path(tmp_path, NAME).write_bytes(GRAPH)
    manifest.write(tmp_path, whole)
    return whole


def test_round_trip(tmp_path: Path, written: Manifest) -> None:
    assert manifest.load(tmp_path, NAME) == written
    assert manifest.load(tmp_path, NAME, written.source_sha256) == written
    assert manifest.is_current(tmp_path, NAME, written.source_sha256)
    assert not manifest.is_current(tmp_path, NAME, written.source_sha256, on_photos=True)


def test_json_keys_are_those_of_existing_stores(tmp_path: Path, written: Manifest) -> None:
    keys = json.loads(manifest.manifest_path(tmp_path, NAME).read_text())
    assert list(keys) == ["name", "converter", "opset", "source_sha256", "graph_sha256", "proof", "detector"]
    assert list(keys["proof"]) == ["reference", "inputs", "photos", "largest_difference", "tolerance"]


def test_missing_manifest_is_an_error(tmp_path: Path, written: Manifest) -> None:
    manifest.manifest_path(tmp_path, NAME).unlink()
    with pytest.raises(GraphError, match=rf"network\.json is missing; run: {command('conversion network')}"):
        manifest.load(tmp_path, NAME)


def test_missing_graph_is_an_error(tmp_path: Path, written: Manifest) -> None:
    manifest.graph_path(tmp_path, NAME).unlink()
    with pytest.raises(GraphError, match=r"network\.onnx is missing"):
        manifest.load(tmp_path, NAME)


def test_rejects_a_changed_graph(tmp_path: Path, written: Manifest) -> None:
    manifest.graph_path(tmp_path, NAME).write_bytes(GRAPH + b".")
    with pytest.raises(GraphError, match=r"its hash .* is not"):
        manifest.load(tmp_path, NAME)
    assert not manifest.is_current(tmp_path, NAME, written.source_sha256)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"converter": CONVERTER_VERSION + 1}, "converter's version"),
        ({"name": "another"}, "belongs to another"),
    ],
)
def test_rejects_another_version_or_name(
    tmp_path: Path, written: Manifest, changes: dict[str, object], message: str
) -> None:
    path = manifest.manifest_path(tmp_path, NAME)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(GraphError, match=message):
        manifest.load(tmp_path, NAME)


def test_rejects_another_source(tmp_path: Path, written: Manifest) -> None:
    with pytest.raises(GraphError, match="made from weights of the hash 5555"):
        manifest.load(tmp_path, NAME, "6" * 64)


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"name": "network"}', "[" * 5000])
def test_rejects_a_damaged_manifest(tmp_path: Path, written: Manifest, text: str) -> None:
    manifest.manifest_path(tmp_path, NAME).write_text(text)
    with pytest.raises(GraphError, match=r"network\.json is damaged"):
        manifest.load(tmp_path, NAME)


def test_manifest_without_detector_facts(tmp_path: Path, written: Manifest) -> None:
    manifest.write(tmp_path, replace(written, detector=None))
    assert manifest.load(tmp_path, NAME).detector is None


def test_manifest_module_does_not_import_the_converter() -> None:
    script = "import sys, model_store.manifest; print([n for n in sys.modules if n.startswith(('onnx', 'conversion'))])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
