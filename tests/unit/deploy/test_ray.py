"""The configuration file of Ray Serve, against the settings and the builder."""

import ast
from typing import Any

import yaml

from service.hosting.reservation import settings_for
from service.settings import MINIMUM_MEMORY, variables
from tests.paths import ROOT

FILE = ROOT / "deploy" / "ray" / "serve.yaml"
CONTENT: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
(APPLICATION,) = CONTENT["applications"]
(DEPLOYMENT,) = APPLICATION["deployments"]
SECRETS = {"API_KEY", "FACE_METRICS_KEY"}


def test_the_builder_and_its_deployment_exist() -> None:
    """Read as source, since Ray is not installed here."""
    module, _, function = APPLICATION["import_path"].partition(":")
    tree = ast.parse((ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert {function, DEPLOYMENT["name"]} <= names


def test_variables_are_settings_and_none_is_a_secret() -> None:
    """Ray writes this block to its logs."""
    named = set(APPLICATION["runtime_env"]["env_vars"])
    assert named <= set(variables())
    assert named.isdisjoint(SECRETS)


def test_the_file_leaves_the_builder_what_loses_no_photo() -> None:
    """A value here would replace that of the builder, which tests/cluster checks."""
    of_the_builder = {"max_ongoing_requests", "max_queued_requests", "graceful_shutdown_timeout_s"}
    assert DEPLOYMENT.keys().isdisjoint(of_the_builder)


def test_no_photo_is_timed_out() -> None:
    assert CONTENT["http_options"]["request_timeout_s"] is None


def test_the_reserved_memory_is_enough_for_the_service() -> None:
    options = DEPLOYMENT["ray_actor_options"]
    settings = settings_for({"CPU": options["num_cpus"], "memory": options["memory"]}, {})
    assert int(settings["FACE_MEMORY"]) >= 2 * MINIMUM_MEMORY
