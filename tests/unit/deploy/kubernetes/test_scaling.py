"""Autoscalers and scrapes of the replicas: targets, metrics of the service, and pace."""

import re
from typing import Any

import pytest

from service.memory.capacity import Capacity
from service.web import app
from tests import documentation
from tests.documentation import DOCS
from tests.unit.deploy.kubernetes.kustomize import COMPONENTS, FOLDER, read, render
from tests.unit.deploy.kubernetes.pods import Pod
from tests.unit.deploy.monitoring.promtool import ALERTS, check_expressions, metrics_in, needs_promtool

AUTOSCALER: dict[str, Any] = read(FOLDER / "components" / "autoscaling-cpu" / "autoscaler.yaml")["spec"]
SCALED: dict[str, Any] = read(FOLDER / "components" / "autoscaling-queue" / "scaled-object.yaml")["spec"]
MONITOR: dict[str, Any] = read(FOLDER / "components" / "pod-monitor" / "pod-monitor.yaml")["spec"]
(TRIGGER,) = SCALED["triggers"]
QUERY: str = TRIGGER["metadata"]["query"]


@pytest.fixture(scope="module")
def replicas() -> Pod:
    return Pod("cuda", "face-model-replicas")


def test_both_scale_the_replicas(replicas: Pod) -> None:
    target = {
        "apiVersion": replicas.deployment["apiVersion"],
        "kind": "Deployment",
        "name": replicas.deployment["metadata"]["name"],
    }
    assert AUTOSCALER["scaleTargetRef"] == target
    assert SCALED["scaleTargetRef"] == {"name": target["name"]}


@pytest.mark.parametrize("name", ["autoscaling-cpu", "autoscaling-queue"])
def test_the_number_is_the_autoscalers_alone(name: str, replicas: Pod) -> None:
    assert replicas.deployment["spec"]["replicas"] == 2
    (component,) = (path for path in COMPONENTS if path.name == name)
    (deployment,) = (
        item
        for item in render(FOLDER / "base", component)
        if item["kind"] == "Deployment" and item["metadata"]["name"] == "face-model-replicas"
    )
    assert "replicas" not in deployment["spec"]


def test_both_have_the_same_bounds_and_pace() -> None:
    behavior = SCALED["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior == AUTOSCALER["behavior"]
    assert (SCALED["minReplicaCount"], SCALED["maxReplicaCount"]) == (
        AUTOSCALER["minReplicas"],
        AUTOSCALER["maxReplicas"],
    )
    assert AUTOSCALER["minReplicas"] >= 2, "one replica could not take the photos of another"


def test_a_replica_is_removed_after_it_could_have_finished_its_photos(replicas: Pod) -> None:
    down = AUTOSCALER["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] > replicas.settings.grace
    assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]


def test_the_queue_is_full_at_the_photos_in_work_of_a_replica(replicas: Pod) -> None:
    cores = int(replicas.container["resources"]["limits"]["cpu"])
    assert TRIGGER["metadata"]["threshold"] == str(Capacity.of(replicas.settings, cores).photos)
    assert TRIGGER["metricType"] == "AverageValue"


def test_metrics_of_the_query_are_documented() -> None:
    """tests/contract/test_monitoring.py compares the page with a running service."""
    (names,) = re.findall(r'__name__=~"([^"]+)"', QUERY)
    page = documentation.text_of(DOCS / "guide" / "monitoring.md")
    documented = {name for row in documentation.rows(page, "Metrics") for name in metrics_in(row[0])}
    # The page abbreviates the four names of a budget.
    full = documented | {
        f"face_{budget}_{end}"
        for budget in ("uploads_bytes", "photos_bytes", "photos_places")
        for end in ("granted", "limit", "waiting", "requested")
    }
    assert len(names.split("|")) == 4
    assert set(names.split("|")) <= full


@needs_promtool
def test_promtool_accepts_the_query(tmp_path: Any) -> None:
    assert check_expressions([QUERY], tmp_path) == ""
    assert check_expressions([QUERY.removesuffix(")")], tmp_path) != ""


def test_scrapes_have_the_job_of_alerts_and_query(replicas: Pod) -> None:
    assert MONITOR["selector"] == {"matchLabels": replicas.labels}
    job = f'job="{replicas.labels[MONITOR["jobLabel"]]}"'
    assert job in ALERTS.read_text(encoding="utf-8")
    assert job in QUERY
    (endpoint,) = MONITOR["podMetricsEndpoints"]
    assert endpoint["path"] in app.PATHS
    assert endpoint["port"] in {port["name"] for port in replicas.container["ports"]}
