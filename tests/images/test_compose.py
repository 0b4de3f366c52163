"""compose.yaml: that it starts both images as they are meant to run."""

from typing import Any

import pytest
import yaml

from service.settings import Settings
from service.stopping import MARGIN_SECONDS
from tests.conftest import ROOT
from tests.images.dockerfile import read

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


@pytest.fixture(params=["cpu", "cuda"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_one_service_for_each_image_and_none_unasked() -> None:
    assert list(SERVICES) == ["cpu", "cuda"]
    assert [service["profiles"] for service in SERVICES.values()] == [["cpu"], ["cuda"]]
    files = [service["build"]["dockerfile"] for service in SERVICES.values()]
    assert all((ROOT / file).exists() for file in files)


def test_it_has_no_rights_and_no_place_to_write(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert (service["tmpfs"], service["cap_drop"]) == (["/tmp"], ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "user", "network_mode"} & service.keys()


def test_the_key_is_a_file_of_the_host_that_has_to_be_there(name: str) -> None:
    (mount,) = SERVICES[name]["volumes"]
    assert (mount["source"], mount["target"], mount["read_only"]) == ("./api.key", "/app/api.key", True)
    assert mount["bind"] == {"create_host_path": False}, "else Docker makes a folder of that name"


def test_photos_in_flight_are_finished_before_docker_kills(name: str) -> None:
    seconds = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert seconds > Settings.model_fields["grace"].default + MARGIN_SECONDS


def test_port_and_health_are_the_images(name: str) -> None:
    exposed = read(ROOT / f"Dockerfile.{name}")[-1].last("EXPOSE").text
    assert SERVICES[name]["ports"] == [f"{exposed}:{exposed}"]
    assert "healthcheck" not in SERVICES[name]


def test_cuda_alone_reserves_a_card() -> None:
    assert "deploy" not in SERVICES["cpu"]
    (device,) = SERVICES["cuda"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
