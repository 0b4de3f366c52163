"""compose.yaml: images, privileges, ports, and the HAProxy front."""

import re
from typing import Any

import pytest
import yaml

from service.settings import Settings
from service.web.server.shutdown import MARGIN_SECONDS
from tests.images.dockerfile import read
from tests.paths import ROOT

SERVICES: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
CADDYFILE = ROOT / "deploy" / "proxy" / "Caddyfile"
PORT = Settings.model_fields["port"].default


IMAGES = {"cpu": "cpu", "gpu": "cpu", "cuda": "cuda"}
"""First word of a service's name -> its image: the image for a CPU also computes on a card that it is given."""
REPLICA = "replica"
NGINX_FILES = {
    "nginx.conf": "/etc/nginx/nginx.conf",
    "rules.conf": "/etc/nginx/rules.conf",
    "replicas.conf.template": "/etc/nginx/templates/replicas.conf.template",
}
"""Files of deploy/nginx -> their places in the container."""
OF_A_CARD = ["gpu", "gpu-behind-front"]


@pytest.fixture(params=[*IMAGES, *(f"{name}-behind-front" for name in IMAGES), REPLICA])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def image_of(name: str) -> str:
    return "cpu" if name == REPLICA else IMAGES[name.split("-")[0]]


def test_each_profile_starts_its_services() -> None:
    assert {name: service["profiles"] for name, service in SERVICES.items()} == {
        "cpu": ["cpu"],
        "gpu": ["gpu"],
        "cuda": ["cuda"],
        "cpu-behind-front": ["cpu-front"],
        "gpu-behind-front": ["gpu-front"],
        "cuda-behind-front": ["cuda-front"],
        "front": ["cpu-front", "gpu-front", "cuda-front"],
        "replica": ["replicas"],
        "nginx": ["replicas"],
        "proxy": ["proxy"],
    }


def test_a_service_runs_the_image_of_its_dockerfile(name: str) -> None:
    service, image = SERVICES[name], image_of(name)
    assert service["image"] == f"face-model:{image}"
    build = {"context": ".", "dockerfile": f"Dockerfile.{image}"}
    line = {"args": {"ACCELERATOR": "${CUDA_LINE:-cuda}"}} if image == "cuda" else {}
    assert service["build"] == {**build, **line}
    assert read(ROOT / f"Dockerfile.{image}")[0].last("ARG") == f"ACCELERATOR={image}"


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_no_privileges_and_no_writable_folder(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    tmpfs = {"front": [], "proxy": [], "nginx": ["/tmp:size=${BODIES:-1g},mode=1777"]}
    assert service.get("tmpfs", []) == tmpfs.get(name, ["/tmp"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert not {"privileged", "network_mode"} & service.keys()
    # The image's own account for nginx, which is root without this line; ours have theirs in the Dockerfile.
    assert service.get("user") == ("101:101" if name == "nginx" else None)


def test_the_key_is_an_existing_file_of_the_host(name: str) -> None:
    (mount,) = SERVICES[name]["volumes"]
    assert (mount["source"], mount["target"], mount["read_only"]) == ("./api.key", "/app/api.key", True)
    assert mount["bind"] == {"create_host_path": False}, "otherwise Docker creates a folder of that name"


@pytest.mark.parametrize("name", SERVICES)
def test_photos_in_flight_are_finished_before_docker_kills(name: str) -> None:
    seconds = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    assert seconds > Settings.model_fields["grace"].default + MARGIN_SECONDS


def test_port_and_health_check_come_from_the_image(name: str) -> None:
    exposed = read(ROOT / f"Dockerfile.{image_of(name)}")[-1].last("EXPOSE")
    assert exposed == str(PORT)
    assert "healthcheck" not in SERVICES[name]


def test_no_file_of_settings_moves_the_inner_port(name: str) -> None:
    """`environment` has precedence over `env_file`; the health check reads the same variable."""
    service = SERVICES[name]
    assert service["env_file"] == [{"path": "face-model.env", "required": False}]
    assert service["environment"] == {"PORT": str(PORT)}


def test_one_container_of_a_profile_publishes_the_port() -> None:
    ports = [f"${{PORT:-{PORT}}}:{PORT}"]
    published = [name for name, service in SERVICES.items() if service.get("ports") == ports]
    assert published == [*IMAGES, "front", "nginx"]
    others = {
        name: service["ports"]
        for name, service in SERVICES.items()
        if name not in published and "ports" in service
    }
    assert others == {"proxy": ["80:80", "443:443"]}


def test_the_front_uses_the_services_network_alias() -> None:
    for name in (f"{name}-behind-front" for name in IMAGES):
        (alias,) = SERVICES[name]["networks"]["default"]["aliases"]
        assert f'"${{MODEL-{alias}:{PORT}}}"' in CONFIGURATION.read_text(encoding="utf-8")


def test_the_front_uses_the_tested_configuration() -> None:
    front = SERVICES["front"]
    (mount,) = front["volumes"]
    assert ROOT / mount["source"] == CONFIGURATION
    assert mount["target"] == "/usr/local/etc/haproxy/haproxy.cfg"
    assert mount["read_only"] is True
    # The container's user has to read it.
    assert CONFIGURATION.stat().st_mode & 0o004
    # At SIGTERM HAProxy ends at once; at this signal it finishes its requests first.
    assert front["stop_signal"] == "SIGUSR1"
    assert front["image"] == "haproxy:3.2-alpine"


def test_the_proxy_reaches_the_container_that_publishes_the_port() -> None:
    proxy = SERVICES["proxy"]
    text = CADDYFILE.read_text(encoding="utf-8")
    for variable in proxy["environment"]:
        assert f"{{${variable}:" in text
    name, _, port = proxy["environment"]["FACES_UPSTREAM"].partition(":")
    assert int(port) == PORT
    for service in (*IMAGES, "front", "nginx"):
        assert SERVICES[service]["networks"] == {"default": {"aliases": [name]}}
    assert proxy["volumes"][0]["source"] == f"./{CADDYFILE.relative_to(ROOT)}"
    assert CADDYFILE.stat().st_mode & 0o004


def test_requests_wait_longer_than_a_shutdown() -> None:
    """HAProxy retries once a second."""
    words = [line.split() for line in CONFIGURATION.read_text(encoding="utf-8").splitlines()]
    (retries,) = (int(line[1]) for line in words if line[:1] == ["retries"])
    assert retries > Settings.model_fields["grace"].default + MARGIN_SECONDS


@pytest.mark.parametrize(
    "file",
    [
        "README.md",
        "docs/guide/install.md",
        "docs/guide/restarts.md",
        "docs/guide/reverse-proxy.md",
        "docs/guide/several-machines.md",
        "compose.yaml",
    ],
)
def test_documented_profiles_and_services_exist(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    profiles = {profile for service in SERVICES.values() for profile in service["profiles"]}
    assert set(re.findall(r"--profile ([\w-]+)", text)) & profiles
    assert set(re.findall(r"--profile ([\w-]+)", text)) <= profiles
    assert set(re.findall(r"\b\w+-behind-front\b", text)) <= SERVICES.keys()


def test_only_services_of_a_card_get_its_device_files_and_their_group() -> None:
    given = {name: service for name, service in SERVICES.items() if {"devices", "group_add"} & service.keys()}
    assert list(given) == OF_A_CARD
    user = read(ROOT / "Dockerfile.cpu")[-1].last("USER").split(":")[1]
    for service in given.values():
        assert service["devices"] == ["/dev/dri"]
        assert service["group_add"] == [f"${{RENDER_GROUP:-{user}}}"], (
            "the account's own group gives no access"
        )


def test_only_cuda_services_reserve_a_gpu() -> None:
    with_a_gpu = {
        name: service["deploy"]
        for name, service in SERVICES.items()
        if "reservations" in service.get("deploy", {}).get("resources", {})
    }
    assert list(with_a_gpu) == ["cuda", "cuda-behind-front"]
    for deploy in with_a_gpu.values():
        (device,) = deploy["resources"]["reservations"]["devices"]
        assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


def test_replicas_have_a_share_each() -> None:
    """Without limits, each of them would reckon with the whole machine."""
    deploy = SERVICES[REPLICA]["deploy"]
    assert deploy["replicas"] == "${REPLICAS:-2}"
    limits = deploy["resources"]["limits"]
    assert limits == {"cpus": "${REPLICA_CPUS:-1}", "memory": "${REPLICA_MEMORY:-2g}"}
    assert "ports" not in SERVICES[REPLICA], "one port of the host cannot be that of several"


def test_documented_defaults_of_replicas_are_those_of_the_file() -> None:
    page = (ROOT / "docs" / "guide" / "several-machines.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([A-Z_]+)` \| (\w+) \|", page, re.MULTILINE))
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert documented.keys() == {"REPLICAS", "REPLICA_CPUS", "REPLICA_MEMORY", "BODIES"}
    assert documented.items() <= dict(re.findall(r"\$\{(\w+):-(\w+)\}", text)).items()


def test_nginx_has_the_tested_files_and_reaches_the_replicas() -> None:
    nginx = SERVICES["nginx"]
    mounts = {mount["source"]: mount for mount in nginx["volumes"]}
    assert {source: mount["target"] for source, mount in mounts.items()} == {
        f"./deploy/nginx/{name}": target for name, target in NGINX_FILES.items()
    }
    for source, mount in mounts.items():
        assert mount["read_only"] is True
        assert mount["bind"] == {"create_host_path": False}
        # The container's user has to read it.
        assert (ROOT / source).stat().st_mode & 0o004
    assert nginx["environment"]["REPLICAS"] == f"{REPLICA}:{PORT}"
    assert nginx["environment"]["NGINX_ENVSUBST_OUTPUT_DIR"] == "/tmp"
    # At SIGTERM nginx ends at once; at this signal it finishes its requests first.
    assert nginx["stop_signal"] == "SIGQUIT"
    assert nginx["image"] == "nginx:1.28-alpine"
