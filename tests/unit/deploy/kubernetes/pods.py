"""The two Deployments of an overlay, and the values in them."""

import re
from collections.abc import Mapping
from typing import Any

from service.settings import Settings
from tests.unit.deploy.kubernetes.kustomize import FOLDER, Manifest, only, render

_UNITS = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


class Pod:
    """The pods of a Deployment with one container, and their ConfigMaps."""

    def __init__(self, overlay: str, name: str) -> None:
        self.objects = render(FOLDER / "overlays" / overlay)
        self.deployment: Manifest = only(self.objects, "Deployment", name)
        self.labels: Mapping[str, str] = self.deployment["spec"]["template"]["metadata"]["labels"]
        self.spec: Mapping[str, Any] = self.deployment["spec"]["template"]["spec"]
        (container,) = self.spec["containers"]
        self.container: Mapping[str, Any] = container

    @property
    def environment(self) -> dict[str, str]:
        """Variables of the container, those of ConfigMaps first; without values of fields."""
        found: dict[str, str] = {}
        for source in self.container.get("envFrom", ()):
            found |= only(self.objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        return found | {entry["name"]: entry["value"] for entry in self.container["env"] if "value" in entry}

    @property
    def settings(self) -> Settings:
        """The settings of a replica, by the service's own reading."""
        return Settings.model_validate(self.environment)

    @property
    def pause(self) -> int:
        """Seconds of preStop."""
        return int(self.container["lifecycle"]["preStop"]["sleep"]["seconds"])

    def memory(self, kind: str) -> int:
        """Bytes of `requests` or `limits`."""
        return quantity(self.container["resources"][kind]["memory"])

    def volume(self, name: str) -> Mapping[str, Any]:
        (volume,) = (volume for volume in self.spec["volumes"] if volume["name"] == name)
        return dict(volume)

    def file(self, path: str) -> Mapping[str, Any]:
        """The mount at a path."""
        (mount,) = (mount for mount in self.container["volumeMounts"] if mount["mountPath"] == path)
        return dict(mount)


def quantity(text: str) -> int:
    """Bytes of a quantity such as `2Gi`."""
    match = re.fullmatch(r"(\d+)([KMG]i)", text)
    assert match, text
    return int(match[1]) * _UNITS[match[2]]
