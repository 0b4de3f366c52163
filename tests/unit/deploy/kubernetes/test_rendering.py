"""The tests' renderer of kustomizations against kustomize itself."""

from pathlib import Path

import pytest
import yaml

from tests.unit.deploy.kubernetes.kustomize import (
    COMPONENTS,
    OVERLAYS,
    by_kubectl,
    has_kubectl,
    name_of,
    patched,
    render,
    without_hashes,
)

needs_kubectl = pytest.mark.skipif(not has_kubectl(), reason="there is no kubectl here")


@needs_kubectl
@pytest.mark.not_quick
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_rendered_objects_equal_those_of_kustomize(overlay: Path) -> None:
    ours = {name_of(item): item for item in render(overlay)}
    objects = by_kubectl(overlay)
    assert {name_of(item): item for item in without_hashes(objects)} == ours
    assert len(ours) == len(objects)


@needs_kubectl
@pytest.mark.not_quick
def test_components_render_as_in_kustomize(tmp_path: Path) -> None:
    """Components upon the overlay `gpu`, which has none of its own, with an image of a registry."""
    (gpu,) = (path for path in OVERLAYS if path.name == "gpu")
    components = [path for path in COMPONENTS if path.name != "autoscaling-cpu"]
    # kustomize takes relative paths only.
    up = Path(*[".."] * (len(tmp_path.parts) - 1))
    kustomization = {
        "resources": [str(up / gpu.relative_to("/"))],
        "components": [str(up / path.relative_to("/")) for path in components],
        "images": [{"name": "face-model", "newName": "registry.example.org/face-model", "newTag": "1.2.3"}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    theirs = {name_of(item): item for item in without_hashes(by_kubectl(tmp_path))}
    assert {name_of(item): item for item in render(tmp_path)} == theirs
    images = [
        container["image"]
        for item in theirs.values()
        if item["kind"] == "Deployment"
        for container in item["spec"]["template"]["spec"]["containers"]
    ]
    assert "registry.example.org/face-model:1.2.3" in images


@needs_kubectl
@pytest.mark.not_quick
def test_a_changed_setting_changes_the_name_that_replicas_refer_to(tmp_path: Path) -> None:
    (cpu,) = (path for path in OVERLAYS if path.name == "cpu")
    up = Path(*[".."] * (len(tmp_path.parts) - 1))
    settings = {"name": "face-model-settings", "behavior": "merge", "literals": ["FACE_MODEL=3"]}
    kustomization = {"resources": [str(up / cpu.relative_to("/"))], "configMapGenerator": [settings]}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    before, after = (_settings_of_replicas(path) for path in (cpu, tmp_path))
    assert before != after


def _settings_of_replicas(folder: Path) -> str:
    objects = by_kubectl(folder)
    (replicas,) = (item for item in objects if name_of(item) == "Deployment/face-model-replicas")
    (source,) = replicas["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    name = str(source["configMapRef"]["name"])
    assert f"ConfigMap/{name}" in map(name_of, objects)
    return name


def test_a_patch_of_a_missing_field_is_an_error() -> None:
    with pytest.raises(KeyError):
        patched({"spec": {}}, [{"op": "replace", "path": "/spec/replicas", "value": 1}])
    with pytest.raises(KeyError):
        patched({"spec": {}}, [{"op": "remove", "path": "/spec/replicas"}])


def test_an_unknown_field_of_a_kustomization_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\nresource: [x.yaml]\n")
    with pytest.raises(ValueError, match="resource"):
        render(tmp_path)
