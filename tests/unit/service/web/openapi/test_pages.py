"""The document and its viewer over HTTP: complete, without a key, and without other hosts."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

import pytest

from service.web.openapi.document import document
from service.web.openapi.pages import PATHS
from service.web.openapi.viewer import page, prose, type_of
from tests.document import violations
from tests.unit.service.conftest import client

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server


def test_need_no_key_and_load_nothing_from_elsewhere(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        assert caller.get("/openapi.json").json() == document()
        for path in PATHS:
            reply = caller.get(path)
            assert reply.status_code == 200
            assert violations("GET", path, 200, reply.headers, reply.content) == []
            assert "default-src 'none'" in reply.headers["content-security-policy"]
            assert "unsafe" not in reply.headers["content-security-policy"]
            elsewhere = set(re.findall(r"https?://[^\s<\"']+", reply.text)) - {f"http://127.0.0.1:{port}"}
            assert {address.partition("/")[0] for address in elsewhere} <= {"http:"}, path
            assert all(address.startswith(f"http://127.0.0.1:{port}/") for address in elsewhere) or (
                path == "/openapi.json"
            )


def test_face_page_turns_them_off(serving: Server) -> None:
    with serving(FACE_PAGE="off") as port, client(port) as caller:
        assert {caller.get(path).status_code for path in PATHS} == {404}


def test_examples_have_the_address_of_the_request(serving: Server) -> None:
    with serving() as port, client(port) as caller:
        assert f"http://127.0.0.1:{port}</span>/detect" in caller.get("/docs").text
        named = caller.get("/docs", headers={"host": "faces.example:81"}).text
        assert "http://faces.example:81</span>/detect" in named
        for hostile in ("a$(reboot)", "a;b", "<script>", "a b"):
            assert hostile not in caller.get("/docs", headers={"host": hostile}).text


def test_the_page_has_all_operations_schemas_fields_and_statuses() -> None:
    text = page(document(), "http://localhost:5000")
    components = document()["components"]
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            assert f'<article id="{operation["operationId"]}">' in text
            assert f'<b>{method.upper()}</b> <span class="path">{path}</span>' in text
    for name, schema in components["schemas"].items():
        assert f'<article id="schema-{name}">' in text
        for field, described in schema["properties"].items():
            assert f"<code>{field}</code>" in text
            assert str(prose(described.get("description", ""))) in text
    for response in components["responses"].values():
        assert str(prose(response["description"])) in text
    assert not {link for link in re.findall(r'href="#([^"]+)"', text) if f'id="{link}"' not in text}


def test_the_page_escapes_the_document() -> None:
    script = "<script>alert(1)</script>"
    hostile = {
        **document(),
        "info": {**document()["info"], "title": script, "description": f"`{script}` {script}"},
    }
    text = page(hostile, "http://localhost:5000")
    assert "<script>alert" not in text
    assert text.count(html.escape(script)) == 4


def test_the_page_shows_parameters_and_optional_keys() -> None:
    parameter = {"name": "x-ünit", "in": "header", "description": "A `unit`.", "schema": {"type": "string"}}
    operation = document()["paths"]["/health"]["get"]
    changed = {
        **document(),
        "paths": {
            "/health": {"get": {**operation, "parameters": [parameter], "security": [{}, {"key": []}]}}
        },
    }
    text = page(changed, "http://localhost:5000")
    assert "<code>x-ünit</code> <span>header, string, optional</span>" in text
    assert "A <code>unit</code>." in text
    assert "<small>key if one is set</small>" in text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 0}, "integer, at least 0"),
        ({"type": "array", "items": {"type": "number"}, "minItems": 128, "maxItems": 128}, "array of 128 number"),
        ({"type": "array", "items": {"$ref": "#/a/b/Point"}, "minItems": 5, "maxItems": 68},
         'array of 5 to 68 <a href="#schema-Point">Point</a>'),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "boolean", "const": True}, "<code>true</code>"),
        ({"enum": [1, 2], "type": "integer"}, "<code>1</code>, <code>2</code>"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "object of integer"),
        ({"type": "string", "contentMediaType": "application/octet-stream", "format": "binary"}, "file"),
        ({"type": "string", "contentMediaType": "application/json", "contentSchema": {"$ref": "#/a/b/State"}},
         'JSON of <a href="#schema-State">State</a>'),
        ({"type": "string", "pattern": "^<a>$"}, "string, pattern ^&lt;a&gt;$"),
    ],
)  # fmt: skip
def test_types_in_words(schema: dict[str, object], words: str) -> None:
    assert type_of(schema) == words
