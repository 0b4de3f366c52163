"""Objects of a kustomization, by the part of kustomize that deploy/kubernetes uses, and by `kubectl kustomize`.

Names of generated ConfigMaps have no hash here; `without_hashes` removes kustomize's. A field of a kustomization that
this module does not know is an error.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"
RULES = ROOT / "deploy" / "nginx"
TEMPLATE = FOLDER / "base" / "replicas.conf.template"
"""nginx's names of the replicas."""
OVERLAYS = sorted(path.parent for path in FOLDER.glob("overlays/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in FOLDER.glob("components/*/kustomization.yaml"))

FIELDS = frozenset(
    {"apiVersion", "kind", "resources", "components", "configMapGenerator", "images", "patches"}
)
_HASH = re.compile(r"(face-model-(?:settings|nginx))-[0-9a-z]{10}\b")

Manifest = dict[str, Any]
"""One object of Kubernetes."""


def render(folder: Path, *components: Path) -> list[Manifest]:
    """The objects of a kustomization, with further components."""
    objects = _build(folder, [])
    for component in components:
        objects = _build(component, objects)
    return objects


def by_kubectl(folder: Path) -> list[Manifest]:
    """The objects of a kustomization by kustomize itself, with hashes. Raises CalledProcessError."""
    done = subprocess.run(
        ["kubectl", "kustomize", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def has_kubectl() -> bool:
    return shutil.which("kubectl") is not None


def without_hashes(objects: list[Manifest]) -> list[Manifest]:
    """The objects with names of ConfigMaps as `render` has them."""
    return list(yaml.safe_load(_HASH.sub(r"\1", yaml.safe_dump(objects))))


def name_of(item: Manifest) -> str:
    """Kind and name, such as `Deployment/face-model-front`."""
    return f"{item['kind']}/{item['metadata']['name']}"


def only(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """The one object of this kind and name."""
    (item,) = (item for item in objects if name_of(item) == f"{kind}/{name}")
    return item


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def patched(item: Any, operations: list[Mapping[str, Any]]) -> Any:
    """`item`, changed in place by operations of JSON Patch (RFC 6902): add, replace, remove. Raises KeyError."""
    for operation in operations:
        *parents, last = (
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        )
        place = item
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        _OPERATIONS[operation["op"]](place, last, operation.get("value"))
    return item


def _add(place: Any, name: str, value: Any) -> None:
    place[name] = value


def _replace(place: Any, name: str, value: Any) -> None:
    if name not in place:
        raise KeyError(name)
    place[name] = value


def _remove(place: Any, name: str, _: Any) -> None:
    del place[name]


_OPERATIONS: dict[str, Callable[[Any, str, Any], None]] = {
    "add": _add,
    "replace": _replace,
    "remove": _remove,
}


def _build(folder: Path, objects: list[Manifest]) -> list[Manifest]:
    """`objects`, for a component those of its parent, with what the kustomization of `folder` adds and changes."""
    kustomization = read(folder / "kustomization.yaml")
    if unknown := kustomization.keys() - FIELDS:
        raise ValueError(f"{folder}: {sorted(unknown)}")
    objects = list(objects)
    for name in kustomization.get("resources", ()):
        path = folder / name
        objects += _build(path, []) if path.is_dir() else [read(path)]
    for generator in kustomization.get("configMapGenerator", ()):
        objects = _generated(folder, generator, objects)
    for name in kustomization.get("components", ()):
        objects = _build(folder / name, objects)
    for patch in kustomization.get("patches", ()):
        target = f"{patch['target']['kind']}/{patch['target']['name']}"
        operations = read(folder / patch["path"]) if "path" in patch else yaml.safe_load(patch["patch"])
        patched(next(item for item in objects if name_of(item) == target), operations)
    for image in kustomization.get("images", ()):
        _set_image(objects, image)
    return objects


def _generated(folder: Path, generator: Mapping[str, Any], objects: list[Manifest]) -> list[Manifest]:
    """The objects with a ConfigMap of files, lines NAME=value and literals; `merge` changes one that is there."""
    lines = list(generator.get("literals", ()))
    for name in generator.get("envs", ()):
        lines += (folder / name).read_text(encoding="utf-8").splitlines()
    data = dict(line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
    data |= {
        Path(name).name: (folder / name).read_text(encoding="utf-8") for name in generator.get("files", ())
    }
    if generator.get("behavior") == "merge":
        only(objects, "ConfigMap", generator["name"])["data"] |= data
        return objects
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": generator["name"]}, "data": data}
    return [*objects, item]


def _set_image(objects: list[Manifest], image: Mapping[str, str]) -> None:
    for item in objects:
        if item["kind"] == "Deployment":
            for container in item["spec"]["template"]["spec"]["containers"]:
                name, _, tag = container["image"].partition(":")
                if name == image["name"]:
                    container["image"] = f"{image.get('newName', name)}:{image.get('newTag', tag)}"
