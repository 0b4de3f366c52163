"""Schemas of Kubernetes's own objects, by kubernetes-validate, and tables of fields of the custom resources."""

import re
from collections.abc import Mapping
from typing import Any

import kubernetes_validate

from tests.unit.deploy.kubernetes.kustomize import Manifest

VERSIONS = tuple(dict.fromkeys(kubernetes_validate.utils.all_versions()))[-3:]
"""The three newest versions of Kubernetes whose schemas the package has; it names each twice."""

NUMBER = re.compile(r"\d+")
BOOLEAN = re.compile(r"true|false")
DURATION = re.compile(r"\d+s")

LABELS: Mapping[str, Any] = {"app.kubernetes.io/name": str, "app.kubernetes.io/component": str}
SCALING: Mapping[str, Any] = {
    "stabilizationWindowSeconds": int,
    "policies": [{"type": str, "value": int, "periodSeconds": int}],
}
CUSTOM: Mapping[str, Any] = {
    "keda.sh/v1alpha1 ScaledObject": {
        "scaleTargetRef": {"name": str},
        "pollingInterval": int,
        "minReplicaCount": int,
        "maxReplicaCount": int,
        "advanced": {
            "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": SCALING, "scaleUp": SCALING}}
        },
        "triggers": [
            {
                "type": str,
                "metricType": str,
                "metadata": {
                    "serverAddress": str,
                    "query": str,
                    "threshold": NUMBER,
                    "ignoreNullValues": BOOLEAN,
                },
            }
        ],
    },
    "monitoring.coreos.com/v1 PodMonitor": {
        "jobLabel": str,
        "selector": {"matchLabels": LABELS},
        "podMetricsEndpoints": [{"port": str, "path": str, "interval": DURATION}],
    },
}
"""Version and kind -> the part of its `spec` that the files use. Written from the definitions of KEDA 2.x and of the
operator of Prometheus 0.91; their other rules, such as KEDA's for the metadata of a trigger, are not checked."""


def faults(item: Manifest, version: str, *, strict: bool = True) -> list[str]:
    """Faults of an object for a version of Kubernetes; strict: an unknown field is one."""
    kind = f"{item['apiVersion']} {item['kind']}"
    if kind in CUSTOM:
        known = {"apiVersion": str, "kind": str, "metadata": {"name": str}, "spec": CUSTOM[kind]}
        return _unlike(item, known, "")
    try:
        kubernetes_validate.validate(item, version, strict=strict)
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


def _unlike(value: Any, known: Any, path: str) -> list[str]:
    """Paths of fields that the table does not have, or has with another type."""
    if isinstance(known, Mapping):
        if not isinstance(value, dict):
            return [path]
        return [
            fault
            for name, inner in value.items()
            for fault in (
                _unlike(inner, known[name], f"{path}.{name}") if name in known else [f"{path}.{name}"]
            )
        ]
    if isinstance(known, list):
        items = value if isinstance(value, list) else [None]
        return [fault for item in items for fault in _unlike(item, known[0], f"{path}[]")]
    if isinstance(known, re.Pattern):
        return [] if isinstance(value, str) and known.fullmatch(value) else [path]
    return [] if type(value) is known else [path]
