"""nginx on Kubernetes: its files, the names of the replicas, its memory and its end."""

import re
from pathlib import Path

import pytest
import yaml

from service.settings import Settings
from service.web.server.shutdown import MARGIN_SECONDS
from tests.paths import ROOT
from tests.unit.deploy.kubernetes.kustomize import RULES, TEMPLATE, only
from tests.unit.deploy.kubernetes.pods import Pod, quantity

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
CALLERS = 32
"""Concurrent callers whose largest bodies fit into nginx's memory."""
UNPRIVILEGED = 101
"""nginx's account in its image."""


@pytest.fixture(scope="module")
def pod() -> Pod:
    return Pod("cpu", "face-model-front")


@pytest.fixture(scope="module")
def replicas() -> Pod:
    return Pod("cpu", "face-model-replicas")


def lines(path: Path) -> set[str]:
    """Lines without comments and indentation."""
    stripped = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {line for line in stripped if line and not line.startswith("#")}


def test_the_rules_are_those_of_every_installation(pod: Pod) -> None:
    data = only(pod.objects, "ConfigMap", "face-model-nginx")["data"]
    for name in ("nginx.conf", "rules.conf"):
        assert data[name] == (RULES / name).read_text(encoding="utf-8")
    # A second name, and nothing else.
    assert lines(TEMPLATE) - lines(RULES / TEMPLATE.name) == {
        "server ${REPLICAS_AND_STARTING} resolve max_fails=0 backup;"
    }
    assert lines(RULES / TEMPLATE.name) - lines(TEMPLATE) == set()
    assert data[TEMPLATE.name] == TEMPLATE.read_text(encoding="utf-8")


def test_each_file_is_where_nginx_and_its_image_read_it(pod: Pod) -> None:
    mounts = {mount["mountPath"]: mount for mount in pod.container["volumeMounts"]}
    for name, folder in (
        ("nginx.conf", "/etc/nginx"),
        ("rules.conf", "/etc/nginx"),
        (TEMPLATE.name, "/etc/nginx/templates"),
    ):
        mount = mounts[f"{folder}/{name}"]
        assert (mount["name"], mount["subPath"], mount["readOnly"]) == ("rules", name, True)
    configuration = (RULES / "nginx.conf").read_text(encoding="utf-8")
    included = set(re.findall(r"include (\S+);", configuration))
    output = pod.environment["NGINX_ENVSUBST_OUTPUT_DIR"]
    assert included == {"/etc/nginx/rules.conf", f"{output}/{TEMPLATE.stem}"}
    assert pod.volume("rules")["configMap"]["name"] == "face-model-nginx"


def test_each_variable_of_the_template_is_set(pod: Pod) -> None:
    used = set(re.findall(r"\$\{(\w+)\}", TEMPLATE.read_text(encoding="utf-8")))
    # The image sets this one.
    assert used - pod.environment.keys() == {"NGINX_LOCAL_RESOLVERS"}
    assert pod.environment["NGINX_ENTRYPOINT_LOCAL_RESOLVERS"]


def test_names_of_the_replicas_are_services_without_an_address(pod: Pod, replicas: Pod) -> None:
    entries = [entry["name"] for entry in pod.container["env"]]
    published = {}
    for variable in ("REPLICAS", "REPLICAS_AND_STARTING"):
        match = re.fullmatch(
            r"([\w-]+)\.\$\(NAMESPACE\)\.svc\.cluster\.local:(\d+)", pod.environment[variable]
        )
        assert match
        assert entries.index("NAMESPACE") < entries.index(variable), "only an earlier variable is replaced"
        service = only(pod.objects, "Service", match[1])["spec"]
        assert service["clusterIP"] == "None"
        assert service["selector"] == replicas.labels
        assert int(match[2]) == replicas.settings.port
        published[variable] = service.get("publishNotReadyAddresses", False)
    assert published == {"REPLICAS": False, "REPLICAS_AND_STARTING": True}


def test_nextclouds_address_is_nginx(pod: Pod) -> None:
    service = only(pod.objects, "Service", "face-model")["spec"]
    assert service["selector"] == pod.labels
    (port,) = service["ports"]
    assert (port["port"], port["targetPort"]) == (Settings.model_fields["port"].default, "http")
    (listening,) = pod.container["ports"]
    (listen,) = re.findall(r"listen (\d+)", (RULES / "nginx.conf").read_text(encoding="utf-8"))
    assert listening == {"name": "http", "containerPort": int(listen)}


def test_bodies_are_in_memory_and_fit(pod: Pod) -> None:
    tmp = pod.volume("tmp")["emptyDir"]
    assert tmp["medium"] == "Memory"
    assert pod.file("/tmp")["name"] == "tmp"
    configuration = (RULES / "nginx.conf").read_text(encoding="utf-8")
    written = re.findall(r"^\s*(?:\w+_temp_path|pid) (\S+);", configuration, re.MULTILINE)
    assert len(written) == 6
    assert all(path.startswith("/tmp/") for path in written)
    assert quantity(tmp["sizeLimit"]) == CALLERS * Settings.model_fields["maximum_upload"].default
    assert pod.memory("limits") >= quantity(tmp["sizeLimit"]) + 512 * 1024**2


def test_the_image_is_new_enough_and_has_no_privilege(pod: Pod) -> None:
    match = re.fullmatch(r"nginx:(\d+)\.(\d+)-alpine", pod.container["image"])
    assert match
    assert (int(match[1]), int(match[2])) >= (1, 28), "`resolve` came with 1.27.3"
    assert COMPOSE["nginx"]["image"] == pod.container["image"]
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    security = pod.spec["securityContext"]
    assert (security["runAsUser"], security["runAsNonRoot"]) == (UNPRIVILEGED, True)
    assert pod.spec["enableServiceLinks"] is pod.spec["automountServiceAccountToken"] is False


def test_the_probe_does_not_depend_on_replicas(pod: Pod) -> None:
    probes = {name: probe for name, probe in pod.container.items() if name.endswith("Probe")}
    assert probes == {"readinessProbe": {"tcpSocket": {"port": "http"}, "periodSeconds": 5}}


def test_accepted_photos_are_finished_before_the_pod_is_killed(pod: Pod, replicas: Pod) -> None:
    needed = pod.pause + replicas.settings.grace + MARGIN_SECONDS
    assert needed < pod.spec["terminationGracePeriodSeconds"]
    assert pod.deployment["spec"]["replicas"] == 2
    assert pod.deployment["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


def test_photos_pass_from_nextcloud_to_nginx_to_the_replicas_alone(pod: Pod, replicas: Pod) -> None:
    front = only(pod.objects, "NetworkPolicy", "face-model-front")["spec"]
    assert front["podSelector"] == {"matchLabels": pod.labels}
    dns, photos = front["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    assert photos["to"] == [{"podSelector": {"matchLabels": replicas.labels}}]
    (ingress,) = only(pod.objects, "NetworkPolicy", "face-model-replicas")["spec"]["ingress"]
    assert ingress["from"][0] == {"podSelector": {"matchLabels": pod.labels}}
    assert {port["port"] for rule in (ingress, photos) for port in rule["ports"]} == {"http"}


def test_selectors_name_nginx(pod: Pod) -> None:
    labels = {"matchLabels": pod.labels}
    assert pod.deployment["spec"]["selector"] == labels
    assert only(pod.objects, "PodDisruptionBudget", "face-model-front")["spec"]["selector"] == labels
    (spread,) = pod.spec["topologySpreadConstraints"]
    assert spread["labelSelector"] == labels


def test_a_dead_node_shows_within_minutes(pod: Pod) -> None:
    """nginx asks for keep-alive probes; their times are the pod's."""
    assert "proxy_socket_keepalive on;" in lines(RULES / "rules.conf")
    values = {entry["name"]: int(entry["value"]) for entry in pod.spec["securityContext"]["sysctls"]}
    time, interval, probes = (
        values[f"net.ipv4.tcp_keepalive_{name}"] for name in ("time", "intvl", "probes")
    )
    assert time + interval * probes <= 120
    assert values == COMPOSE["nginx"]["sysctls"]
