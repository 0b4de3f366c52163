"""The OpenAPI document as a page of HTML, for people without a tool for it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from service.web.openapi.statuses import ERROR

TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

Json = Mapping[str, Any]
FILE = "binary"
"""Format of a field that is a file."""


def page(document: Json, address: str) -> str:
    """The page of a document. `address` of the service stands in the examples."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return TEMPLATES.get_template("docs.html.jinja").render(
        document=document,
        operations=operations,
        general=general(document),
        address=address,
    )


def general(document: Json) -> Json:
    """Responses that all operations have, and those that none has: of requests to no operation. By status."""
    used = [
        set(operation["responses"])
        for methods in document["paths"].values()
        for operation in methods.values()
    ]
    specific = set.union(*used) - set.intersection(*used)
    responses = {
        name.removeprefix(ERROR): found for name, found in document["components"]["responses"].items()
    }
    return {code: response for code, response in responses.items() if code not in specific}


def resolved(value: Json, document: Json) -> Json:
    """The object that a `$ref` refers to, with the fields beside the `$ref`; an object without one as it is."""
    if "$ref" not in value:
        return value
    found: Any = document
    for name in value["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**found, **{name: field for name, field in value.items() if name != "$ref"}}


def prose(text: str) -> Markup:
    """Text with `code`, and with empty lines between paragraphs, as HTML."""
    marked = re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text)))
    return Markup("</p><p>".join(marked.split("\n\n")))


def type_of(schema: Json) -> Markup:
    """The type of a schema in words; names of other schemas are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return Markup('<a href="#schema-{0}">{0}</a>').format(name)
    if "anyOf" in schema:
        return Markup(" or ").join(type_of(choice) for choice in schema["anyOf"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(_literal(schema["const"]))
    if "enum" in schema:
        return Markup(", ").join(
            Markup("<code>{}</code>").format(_literal(value)) for value in schema["enum"]
        )
    match schema.get("type"):
        case "array":
            return Markup("array of {}{}").format(_length(schema), type_of(schema["items"]))
        case "object" if isinstance(values := schema.get("additionalProperties"), dict):
            names = schema.get("propertyNames", {})
            named = Markup(" with the names {}").format(type_of(names)) if "enum" in names else ""
            return Markup("object of {}{}").format(type_of(values), named)
        case "string" if "contentSchema" in schema:
            return Markup("JSON of {}").format(type_of(schema["contentSchema"]))
        case "string" if schema.get("format") == FILE:
            return Markup("file")
        case kind:
            return Markup("{}{}").format(kind or "any", _range(schema))


def _literal(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _length(schema: Json) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    return "" if least is None else f"{least} " if least == most else f"{least} to {most} "


def _range(schema: Json) -> str:
    bounds = {
        "at least": schema.get("minimum"),
        "greater than": schema.get("exclusiveMinimum"),
        "at most": schema.get("maximum"),
        "pattern": schema.get("pattern"),
    }
    words = [f"{word} {bound}" for word, bound in bounds.items() if bound is not None]
    return f", {', '.join(words)}" if words else ""


def key(operation: Json) -> str:
    """The need of a key in words: an empty requirement stands for a request without one."""
    if not operation["security"]:
        return "no key"
    return "key if one is set" if {} in operation["security"] else "needs the key"


def curl(operation: Json) -> str:
    """Options of curl for an operation, before the address. The examples are those of the document."""
    parts = ['-H "x-api-key: $(head -n 1 api.key)"'] if {"key": []} in operation["security"] else []
    form = operation.get("requestBody")
    if form:
        fields = form["content"]["multipart/form-data"]["schema"]["properties"]
        parts += [f"-F {_field(name, field)}" for name, field in fields.items()]
    return " ".join(["curl", *parts, ""])


def _field(name: str, schema: Json) -> str:
    if schema.get("format") == FILE:
        return f"{name}=@photo.jpg"
    return f"'{name}={json.dumps(schema['examples'][0], separators=(',', ':'))}'"


TEMPLATES.filters |= {"prose": prose, "type": type_of, "key": key, "curl": curl, "resolved": resolved}
