"""Each object of deploy/kubernetes in the strict schemas of the three newest versions of Kubernetes."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.kubernetes.kustomize import (
    COMPONENTS,
    FOLDER,
    OVERLAYS,
    Manifest,
    name_of,
    only,
    read,
    render,
)
from tests.unit.deploy.kubernetes.schemas import VERSIONS, faults


def objects() -> Iterator[tuple[str, Manifest]]:
    """The different objects of the overlays, with and without the components, each with its source."""
    seen = set()
    for overlay in OVERLAYS:
        for components in ([], [path for path in COMPONENTS if path.name != "autoscaling-cpu"]):
            own = [] if overlay.name == "cpu" else components
            for item in render(overlay, *own):
                text = json.dumps(item, sort_keys=True)
                if text not in seen:
                    seen.add(text)
                    yield f"{overlay.name}: {name_of(item)}", item


OBJECTS = dict(objects())
REPLICAS = only(render(FOLDER / "overlays" / "cpu"), "Deployment", "face-model-replicas")


@pytest.mark.parametrize("version", VERSIONS)
def test_each_object_is_valid(version: str) -> None:
    assert {name: found for name, item in OBJECTS.items() if (found := faults(item, version))} == {}


def test_three_versions_and_all_kinds_are_checked() -> None:
    assert len(set(VERSIONS)) == 3
    assert {item["kind"] for item in OBJECTS.values()} == {
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "ScaledObject",
        "Service",
    }


def test_each_manifest_is_in_a_rendered_overlay_or_component() -> None:
    rendered = {name.split(": ")[1] for name in OBJECTS}
    files = [path for path in FOLDER.rglob("*.yaml") if path.stem != "kustomization"]
    manifests = [path for path in files if not path.stem.endswith(".patch")]
    assert {name_of(read(path)) for path in manifests} == {
        name for name in rendered if not name.startswith("ConfigMap/")
    }


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "name", "misspelt"),
    [
        (("spec", "template", "spec"), "terminationGracePeriodSeconds", "terminationGracePeriodSecond"),
        (("spec", "template", "spec", "containers", 0, "securityContext"), "capabilities", "capabilites"),
        (("spec", "template", "spec", "containers", 0), "startupProbe", "startUpProbe"),
    ],
)
def test_a_misspelt_field_is_found_by_the_strict_schema_alone(
    version: str, path: tuple[str | int, ...], name: str, misspelt: str
) -> None:
    planted = copy.deepcopy(REPLICAS)
    place: Any = planted
    for part in path:
        place = place[part]
    place[misspelt] = place.pop(name)
    (found,) = faults(planted, version)
    assert repr(misspelt) in found
    assert faults(planted, version, strict=False) == []


def test_a_wrong_type_is_found() -> None:
    planted = copy.deepcopy(REPLICAS)
    planted["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = "10m"
    (found,) = faults(planted, VERSIONS[-1])
    assert "'10m' is not of type 'integer'" in found


@pytest.mark.parametrize(
    ("file", "change", "found"),
    [
        ("autoscaling-queue/scaled-object.yaml", {"maxReplicas": 8}, [".spec.maxReplicas"]),
        ("autoscaling-queue/scaled-object.yaml", {"maxReplicaCount": "8"}, [".spec.maxReplicaCount"]),
        ("pod-monitor/pod-monitor.yaml", {"endpoints": []}, [".spec.endpoints"]),
    ],
)
def test_a_fault_of_a_custom_resource_is_found(file: str, change: dict[str, Any], found: list[str]) -> None:
    planted = read(FOLDER / "components" / file)
    planted["spec"] |= change
    assert faults(planted, VERSIONS[-1]) == found


@pytest.mark.parametrize("folder", [*OVERLAYS, *COMPONENTS, FOLDER / "base"], ids=lambda path: path.name)
def test_each_file_of_a_folder_is_used(folder: Path) -> None:
    text = (folder / "kustomization.yaml").read_text(encoding="utf-8")
    for path in folder.iterdir():
        assert path.name == "kustomization.yaml" or path.name in text
