"""The kustomization of docs/guide/kubernetes.md: it is valid, and the figures are those of the files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import documentation
from tests.documentation import DOCS
from tests.paths import ROOT
from tests.unit.deploy.kubernetes.kustomize import (
    FOLDER,
    Manifest,
    by_kubectl,
    has_kubectl,
    name_of,
    only,
    render,
)
from tests.unit.deploy.kubernetes.pods import Pod
from tests.unit.deploy.kubernetes.schemas import VERSIONS, faults

PAGE = documentation.text_of(DOCS / "guide" / "kubernetes.md")
CHECKOUT = "../face-model"
"""The checkout in the page's kustomization."""


def documented() -> dict[str, Any]:
    """All blocks of the page as one kustomization."""
    blocks = documentation.CODE_BLOCK.findall(PAGE)
    return {
        name: value for kind, body in blocks if kind == "yaml" for name, value in yaml.safe_load(body).items()
    }


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    folder = tmp_path_factory.mktemp("page")
    kustomization = documented() | {
        "resources": [str(ROOT / Path(path).relative_to(CHECKOUT)) for path in documented()["resources"]]
    }
    assert kustomization.pop("namespace") == "faces"
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return render(folder)


def test_the_documented_kustomization_is_valid(objects: list[Manifest]) -> None:
    for version in VERSIONS:
        assert [fault for item in objects for fault in faults(item, version)] == []


def test_it_sets_image_setting_and_caller(objects: list[Manifest]) -> None:
    replicas = only(objects, "Deployment", "face-model-replicas")["spec"]["template"]["spec"]
    assert replicas["containers"][0]["image"] == "registry.example.org/face-model:2026-11-30"
    assert only(objects, "ConfigMap", "face-model-settings")["data"]["FACE_MODEL"] == "3"
    policy = only(objects, "NetworkPolicy", "face-model-front")["spec"]
    assert policy["ingress"][0]["from"] == [{"ipBlock": {"cidr": "192.0.2.10/32"}}]
    assert policy["ingress"][0]["ports"]
    assert only(objects, "Service", "face-model")["spec"]["type"] == "LoadBalancer"


@pytest.mark.not_quick
@pytest.mark.skipif(not has_kubectl(), reason="there is no kubectl here")
def test_kustomize_accepts_it_beside_a_checkout(tmp_path: Path) -> None:
    (tmp_path / "face-model").symlink_to(ROOT, target_is_directory=True)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(documented()))
    built = by_kubectl(folder)
    assert {item["metadata"]["namespace"] for item in built} == {"faces"}
    assert "Service/face-model" in map(name_of, built)


def test_the_page_names_each_overlay_and_component() -> None:
    for path in [*FOLDER.glob("overlays/*"), *FOLDER.glob("components/*")]:
        assert f"{path.parent.name}/{path.name}" in PAGE


def figures() -> Iterator[str]:
    replicas, front = Pod("cpu", "face-model-replicas"), Pod("cpu", "face-model-front")
    yield f"`terminationGracePeriodSeconds`, {replicas.spec['terminationGracePeriodSeconds']} |"
    yield f"| {replicas.pause} s of preStop, `FACE_GRACE` ({replicas.settings.grace})"
    yield f"`FACE_MEMORY={replicas.environment['FACE_MEMORY']}`"
    yield f"{replicas.memory('requests') / 1024**3:.0f} GiB requested, limit {replicas.memory('limits') / 1024**3} GiB"
    yield f"nginx's memory for bodies, {front.volume('tmp')['emptyDir']['sizeLimit'].removesuffix('Gi')} GiB"
    yield f"({VERSIONS[0].rpartition('.')[0]} to {VERSIONS[-1].rpartition('.')[0]} in"


@pytest.mark.parametrize("figure", list(figures()))
def test_figures_are_those_of_the_files(figure: str) -> None:
    assert figure in PAGE
