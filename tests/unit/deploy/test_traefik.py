"""Traefik's files of deploy/proxy: names of fields and types of values as in its reference, version 3.

No Traefik runs here. The tables below hold the part of the reference that the files use; another name is an error.
"""

import re
from typing import Any

import pytest
import yaml

from service.settings import Settings
from service.web.server.shutdown import MARGIN_SECONDS
from tests.paths import ROOT

DURATION = re.compile(r"\d+s")
NAMES = "names"
"""Key of a table for an object whose keys the operator chooses."""

STATIC: dict[str, Any] = {
    "entryPoints": {
        NAMES: {
            "address": str,
            "transport": {
                "respondingTimeouts": {"readTimeout": DURATION, "writeTimeout": DURATION},
                "lifeCycle": {"graceTimeOut": DURATION},
            },
        }
    },
    "certificatesResolvers": {NAMES: {"acme": {"email": str, "storage": str, "tlsChallenge": {}}}},
    "providers": {"file": {"filename": str, "watch": bool}},
}
DYNAMIC: dict[str, Any] = {
    "http": {
        "routers": {
            NAMES: {
                "entryPoints": [str],
                "rule": str,
                "middlewares": [str],
                "service": str,
                "tls": {"certResolver": str},
            }
        },
        "middlewares": {NAMES: {"stripPrefix": {"prefixes": [str]}}},
        "services": {NAMES: {"loadBalancer": {"servers": [{"url": str}], "serversTransport": str}}},
        "serversTransports": {
            NAMES: {
                "maxIdleConnsPerHost": int,
                "forwardingTimeouts": {"responseHeaderTimeout": DURATION, "dialTimeout": DURATION},
            }
        },
    }
}


def read(name: str) -> Any:
    return yaml.safe_load((ROOT / "deploy" / "proxy" / "traefik" / name).read_text(encoding="utf-8"))


def faults(value: Any, reference: Any, path: str = "") -> list[str]:
    """Paths of fields that the reference does not have, or has with another type."""
    if isinstance(reference, dict):
        if not isinstance(value, dict):
            return [path]
        found = []
        for key, inner in value.items():
            known = reference.get(NAMES, reference.get(key))
            found += [f"{path}.{key}"] if known is None else faults(inner, known, f"{path}.{key}")
        return found
    if isinstance(reference, list):
        items = value if isinstance(value, list) else [None]
        return [fault for item in items for fault in faults(item, reference[0], f"{path}[]")]
    if isinstance(reference, re.Pattern):
        return [] if reference.fullmatch(str(value)) else [path]
    return [] if type(value) is reference else [path]


@pytest.mark.parametrize(("name", "reference"), [("static.yml", STATIC), ("dynamic.yml", DYNAMIC)])
def test_fields_are_those_of_the_reference(name: str, reference: Any) -> None:
    assert faults(read(name), reference) == []


def test_a_planted_fault_is_found() -> None:
    planted = read("static.yml")
    timeouts = planted["entryPoints"]["websecure"]["transport"]["respondingTimeouts"]
    timeouts["readTimeOut"] = timeouts.pop("readTimeout")
    planted["providers"]["file"]["watch"] = "yes"
    assert faults(planted, STATIC) == [
        ".entryPoints.websecure.transport.respondingTimeouts.readTimeOut",
        ".providers.file.watch",
    ]


def test_names_are_defined() -> None:
    http, static = read("dynamic.yml")["http"], read("static.yml")
    for router in http["routers"].values():
        assert set(router["entryPoints"]) <= static["entryPoints"].keys()
        assert set(router.get("middlewares", ())) <= http["middlewares"].keys()
        assert router["service"] in http["services"]
        assert router["tls"]["certResolver"] in static["certificatesResolvers"]
    for service in http["services"].values():
        assert service["loadBalancer"]["serversTransport"] in http["serversTransports"]


def test_photos_wait_without_a_limit_and_are_finished_at_the_end() -> None:
    transport = read("static.yml")["entryPoints"]["websecure"]["transport"]
    assert transport["respondingTimeouts"] == {"readTimeout": "0s", "writeTimeout": "0s"}
    grace = int(transport["lifeCycle"]["graceTimeOut"].removesuffix("s"))
    assert grace > Settings.model_fields["grace"].default + MARGIN_SECONDS
    (servers,) = read("dynamic.yml")["http"]["serversTransports"].values()
    assert servers["forwardingTimeouts"]["responseHeaderTimeout"] == "0s"
    assert servers["maxIdleConnsPerHost"] == -1
