"""Templates for Unraid and TrueNAS: known fields, and the image's own port, settings and privileges."""

import shlex
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import settings
from service.settings import Settings
from service.web.server.shutdown import MARGIN_SECONDS
from tests.paths import ROOT

TEMPLATES = sorted((ROOT / "deploy" / "unraid").glob("*.xml"))
TRUENAS: dict[str, Any] = yaml.safe_load(
    (ROOT / "deploy" / "truenas" / "app.yaml").read_text(encoding="utf-8")
)["services"]["face-model"]
PORT = str(Settings.model_fields["port"].default)
STOP_SECONDS = Settings.model_fields["grace"].default + MARGIN_SECONDS

FIELDS = frozenset(
    {
        "Name",
        "Repository",
        "Registry",
        "Network",
        "Shell",
        "Privileged",
        "Support",
        "Project",
        "Overview",
        "Category",
        "WebUI",
        "ExtraParams",
        "Config",
    }
)
"""Elements of Unraid's template, version 2, that the files use."""
ATTRIBUTES = {
    "Name": None,
    "Target": None,
    "Default": None,
    "Description": None,
    "Mode": {"", "tcp"},
    "Type": {"Port", "Variable", "Device"},
    "Display": {"always", "advanced"},
    "Required": {"true", "false"},
    "Mask": {"true", "false"},
}
"""Attributes of its element Config, and the values of those that are not free."""
OTHER_VARIABLES = frozenset({"NVIDIA_VISIBLE_DEVICES"})


@pytest.fixture(params=TEMPLATES, ids=lambda path: path.stem)
def template(request: pytest.FixtureRequest) -> ET.Element:
    path: Path = request.param
    return ET.parse(path).getroot()


def test_unraid_knows_the_fields(template: ET.Element) -> None:
    assert (template.tag, template.attrib) == ("Container", {"version": "2"})
    assert {element.tag for element in template} == FIELDS
    for config in template.iter("Config"):
        assert config.attrib.keys() == ATTRIBUTES.keys()
        assert all(values is None or config.attrib[name] in values for name, values in ATTRIBUTES.items())
        assert (config.text or "") == config.attrib["Default"]


def test_one_template_gives_a_card() -> None:
    """The value is the path on the host, as of Unraid's own templates; the group's number is the operator's to set."""
    devices = {
        path.stem: config.text
        for path in TEMPLATES
        for config in ET.parse(path).getroot().iter("Config")
        if config.attrib["Type"] == "Device"
    }
    assert devices == {"face-model-gpu": "/dev/dri"}
    options = {path.stem: ET.parse(path).getroot().findtext("ExtraParams", "") for path in TEMPLATES}
    assert [name for name, text in options.items() if "--group-add=" in text] == ["face-model-gpu"]


def test_unraid_sets_the_images_port_and_settings(template: ET.Element) -> None:
    configs = {config.attrib["Target"]: config.attrib for config in template.iter("Config")}
    assert configs[PORT]["Type"] == "Port"
    assert template.findtext("WebUI") == f"http://[IP]:[PORT:{PORT}]/"
    variables = {name for name, config in configs.items() if config["Type"] == "Variable"}
    assert variables <= settings.variables().keys() | OTHER_VARIABLES
    assert configs["API_KEY"]["Mask"] == configs["API_KEY"]["Required"] == "true"
    assert configs["API_KEY"]["Default"] == "", "there is no default key"
    assert configs["FACE_MODEL"]["Default"] == str(Settings.model_fields["model"].default)


def test_unraid_gives_no_privilege(template: ET.Element) -> None:
    assert template.findtext("Privileged") == "false"
    options = shlex.split(template.findtext("ExtraParams", ""))
    assert {"--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(
        options
    )
    (seconds,) = (int(option[15:]) for option in options if option.startswith("--stop-timeout="))
    assert seconds > STOP_SECONDS


def test_images_are_those_of_a_release() -> None:
    """The names in docs/internals/releasing.md, which the operator replaces until there is a release."""
    images = {path.stem: ET.parse(path).getroot().findtext("Repository") for path in TEMPLATES}
    image = "ghcr.io/OWNER/NAME:latest"
    assert images == {"face-model": image, "face-model-gpu": image, "face-model-cuda": f"{image}-cuda"}
    assert TRUENAS["image"] == image


def test_truenas_runs_the_service_as_compose_does() -> None:
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["cpu"]
    for name in ("restart", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period"):
        assert TRUENAS[name] == compose[name]
    assert TRUENAS["ports"] == [f"{PORT}:{PORT}"]
    assert TRUENAS["environment"].keys() <= settings.variables().keys()
    assert TRUENAS["environment"]["API_KEY"] == "", "there is no default key"
