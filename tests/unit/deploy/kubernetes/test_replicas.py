"""Replicas on Kubernetes: the values of their pods against the settings, the images and the reckoned memory."""

import pytest

from service import healthcheck, settings
from service.memory.capacity import RESIDENT, Capacity
from service.memory.largest_photo import plan
from service.settings import ADVERTISED_AREA, MAXIMUM_ORIGINAL, Settings
from service.web import app
from service.web.server.shutdown import MARGIN_SECONDS
from tests.images.dockerfile import read, variables
from tests.paths import ROOT
from tests.unit.deploy.kubernetes.kustomize import only
from tests.unit.deploy.kubernetes.pods import Pod, quantity

IMAGES = {"cpu": "cpu", "cuda": "cuda", "gpu": "cpu"}
"""Overlay -> its image: the image for a CPU also computes on a card that it is given."""
DEVICES = {"cpu": set(), "cuda": {"nvidia.com/gpu"}, "gpu": {"gpu.intel.com/i915"}}
MEBIBYTE = 1024**2


@pytest.fixture(scope="module", params=IMAGES)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def pod(overlay: str) -> Pod:
    return Pod(overlay, "face-model-replicas")


def test_the_image_is_that_of_its_dockerfile(overlay: str, pod: Pod) -> None:
    assert pod.container["image"] == f"face-model:{IMAGES[overlay]}"
    account = read(ROOT / f"Dockerfile.{IMAGES[overlay]}")[-1].last("USER")
    security = pod.spec["securityContext"]
    assert account == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["runAsNonRoot"] is True


def test_the_port_is_the_images(overlay: str, pod: Pod) -> None:
    image = read(ROOT / f"Dockerfile.{IMAGES[overlay]}")[-1]
    (port,) = pod.container["ports"]
    assert port == {"name": "http", "containerPort": pod.settings.port}
    assert image.last("EXPOSE") == variables(image.last("ENV"))["PORT"] == str(pod.settings.port)


def test_all_variables_are_settings(pod: Pod) -> None:
    assert settings.unknown_variables(pod.environment) == []
    assert pod.environment.keys() <= settings.variables().keys()


def test_probes_ask_paths_of_the_service(pod: Pod) -> None:
    probes = {name: pod.container[name] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    paths = {name: probe["httpGet"]["path"] for name, probe in probes.items()}
    assert set(paths.values()) <= set(app.PATHS)
    assert paths == {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}
    assert {probe["httpGet"]["port"] for probe in probes.values()} == {"http"}
    # As the health check of the image, which asks the same path.
    assert all(probe["timeoutSeconds"] >= healthcheck.TIMEOUT_SECONDS for probe in probes.values())


def test_a_start_may_take_minutes_and_a_rollout_waits_for_it(pod: Pod) -> None:
    probe = pod.container["startupProbe"]
    seconds = probe["periodSeconds"] * probe["failureThreshold"]
    assert seconds >= 600
    assert pod.deployment["spec"]["progressDeadlineSeconds"] > seconds


def test_photos_in_flight_are_finished_before_the_pod_is_killed(pod: Pod) -> None:
    needed = pod.pause + pod.settings.grace + MARGIN_SECONDS
    assert needed < pod.spec["terminationGracePeriodSeconds"] <= needed + 30


def test_a_photo_of_the_default_area_and_the_largest_original_fit(pod: Pod) -> None:
    cores = int(pod.container["resources"]["limits"]["cpu"])
    made = plan(pod.settings, Capacity.of(pod.settings, cores), pod.memory("limits"))
    assert (made.advertised_area, made.configured_original) == (ADVERTISED_AREA, MAXIMUM_ORIGINAL)
    assert made.warnings() == []
    # The kernel kills all processes of a pod at its limit, and files in memory count.
    files = quantity(pod.volume("tmp")["emptyDir"]["sizeLimit"])
    assert made.original + files + 512 * MEBIBYTE <= pod.memory("limits")


def test_concurrent_photos_fit_in_the_requested_memory(overlay: str, pod: Pod) -> None:
    budget = pod.settings.memory
    assert budget is not None
    assert budget + 400 * MEBIBYTE <= pod.memory("requests")
    # The same room for photos as with a budget of 1600 MiB and no card that shares the memory.
    shared = 512 * MEBIBYTE if overlay == "gpu" else 0
    assert budget - shared - RESIDENT == 1200 * MEBIBYTE


def test_cores_are_whole_and_not_shared(pod: Pod) -> None:
    resources = pod.container["resources"]
    assert resources["requests"]["cpu"] == resources["limits"]["cpu"]
    assert resources["limits"]["cpu"].isdecimal()


def test_one_device_for_each_replica(overlay: str, pod: Pod) -> None:
    limits = pod.container["resources"]["limits"]
    assert limits.keys() - {"cpu", "memory"} == DEVICES[overlay]
    assert all(limits[name] == 1 for name in DEVICES[overlay])
    # Without a device to spare, an update has to end a replica first.
    surge = {"maxUnavailable": 1, "maxSurge": 0} if DEVICES[overlay] else {"maxUnavailable": 0, "maxSurge": 1}
    assert pod.deployment["spec"]["strategy"]["rollingUpdate"] == surge


def test_pods_have_no_privilege_and_write_no_file(pod: Pod) -> None:
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.spec["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
    assert {volume["name"]: volume.keys() - {"name"} for volume in pod.spec["volumes"]} == {
        "key": {"secret"},
        "tmp": {"emptyDir"},
    }
    assert pod.volume("tmp")["emptyDir"]["medium"] == "Memory"


def test_the_key_is_the_file_that_the_image_reads(overlay: str, pod: Pod) -> None:
    folder = read(ROOT / f"Dockerfile.{IMAGES[overlay]}")[-1].last("WORKDIR")
    file = f"{folder}/{Settings.model_fields['api_key_file'].default}"
    mount = pod.file(file)
    assert mount == {"name": "key", "mountPath": file, "subPath": "api.key", "readOnly": True}
    # Of root and of the pod's group: the service reads it, and no other account.
    assert pod.volume("key")["secret"] == {"secretName": "face-model-key", "defaultMode": 0o440}
    assert pod.spec["securityContext"]["fsGroup"] == pod.spec["securityContext"]["runAsGroup"]
    assert not {"API_KEY", "API_KEY_FILE"} & pod.environment.keys()


def test_no_variable_of_a_service_can_be_a_setting(pod: Pod) -> None:
    """Kubernetes makes variables of the names of Services, which begin with FACE_ here."""
    assert pod.spec["enableServiceLinks"] is False
    ends = ("_SERVICE_HOST", "_SERVICE_PORT", "_PORT", "_SERVICE_PORT_HTTP", "_PORT_5000_TCP_ADDR")
    assert [name for name in settings.variables() if name.endswith(ends)] == []


def test_selectors_name_the_replicas(pod: Pod) -> None:
    labels = {"matchLabels": pod.labels}
    assert pod.deployment["spec"]["selector"] == labels
    assert only(pod.objects, "PodDisruptionBudget", "face-model-replicas")["spec"]["selector"] == labels
    assert only(pod.objects, "NetworkPolicy", "face-model-replicas")["spec"]["podSelector"] == labels
    (spread,) = pod.spec["topologySpreadConstraints"]
    assert spread["labelSelector"] == labels


def test_a_replica_opens_no_connection(pod: Pod) -> None:
    policy = only(pod.objects, "NetworkPolicy", "face-model-replicas")["spec"]
    assert policy["egress"] == []
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert pod.settings.traces is None
