"""The document is valid OpenAPI, complete, and made of the service's own tables."""

from __future__ import annotations

from typing import Any, get_args

import jsonschema_rs
import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31

from model_store.models import MODELS
from service import messages
from service.memory.capacity import Capacity
from service.memory.largest_photo import plan
from service.pipeline import face_part
from service.recognition.timings import Timings
from service.sandbox import Restrictions
from service.settings import Settings
from service.supervision import Supervisor, launch_worker
from service.versions import versions
from service.web.app import PATHS, create_app
from service.web.keys import KeyRing
from service.web.openapi import answers, info
from service.web.openapi.document import document
from service.web.openapi.fields import Fields

ECHOED = {"KnownFace", "ComputedFace"}
"""Schemas with fields that the caller chooses."""


def test_is_valid_openapi() -> None:
    """The specification's own JSON Schema, and that of each schema."""
    jsonschema_rs.Draft202012Validator(OPENAPI_31).validate(document())
    for schema in document()["components"]["schemas"].values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_an_invalid_document_is_noticed() -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.Draft202012Validator(OPENAPI_31).validate({**document(), "paths": {"no slash": {}}})


def test_has_each_route_and_no_other() -> None:
    settings, capacity = Settings(), Capacity(1, 1, 1)
    supervisor = Supervisor(launch_worker, lambda _: None)  # starts nothing by itself
    app = create_app(settings, KeyRing([]), capacity, plan(settings, capacity), supervisor)
    routes = {(route.path, frozenset(route.methods)) for route in app.routes}  # type: ignore[attr-defined]
    documented = {
        (path, frozenset({"GET", "HEAD"} if method == "get" else {method.upper()}))
        for path, methods in document()["paths"].items()
        for method in methods
    }
    assert routes == documented
    assert {path for path, _ in documented} == set(PATHS)


def test_each_reference_leads_to_a_component() -> None:
    for reference in _references(document()):
        found: Any = document()
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]


def _references(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [found for field in value.values() for found in _references(field)]
    return [found for item in value for found in _references(item)] if isinstance(value, list) else []


def test_schemas_allow_no_other_fields_and_describe_each() -> None:
    schemas = document()["components"]["schemas"]
    for name, schema in schemas.items():
        assert schema["additionalProperties"] is (name in ECHOED), name
        assert schema["required"] == list(schema["properties"]), name
        assert schema["description"], name
        for field, described in schema["properties"].items():
            assert "description" in described or "$ref" in described, (name, field)


@pytest.mark.parametrize(
    ("documented", "sent"),
    [
        (info.StageInfo, messages.StageReport),
        (info.Scan, messages.ScanReport),
        (info.Trial, messages.TrialReport),
        (info.DeviceProofInfo, messages.DeviceReport),
    ],
)
def test_stages_of_info_are_those_of_the_worker(
    documented: type[Fields], sent: type[messages.StageReport]
) -> None:
    assert list(documented.model_fields) == list(sent.model_fields)
    for name, field in sent.model_fields.items():
        optional = type(None) in get_args(field.annotation)
        assert optional == (type(None) in get_args(documented.model_fields[name].annotation)), name


def test_names_are_those_of_the_service() -> None:
    assert set(get_args(info.StageName)) == set(Timings.__dataclass_fields__)
    assert list(info.ProcessRestrictions.model_fields) == list(Restrictions._fields)
    assert list(info.Versions.model_fields) == list(versions())
    for model in (answers.Welcome.model_fields["model"], info.ModelInfo.model_fields["number"]):
        assert set(get_args(model.annotation)) == set(MODELS)
    assert answers.MAXIMUM_EDGE == face_part.MAXIMUM_EDGE
