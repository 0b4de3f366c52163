"""Models of answers as JSON schemas: the docstring of a field is its description in the document.

The answers are not validated at run time, which would take time of each photo: the tests compare them with the
document.
"""

import ast
import inspect
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

REFERENCE = "#/components/schemas/{model}"
"""Address of a schema in the document, with pydantic's name of the placeholder."""


class Fields(BaseModel):
    """An object of an answer, with these fields and no others."""

    model_config = ConfigDict(extra="forbid")


class _Described(GenerateJsonSchema):
    """Schemas with the docstrings of fields, and without titles, which would repeat the fields' names.

    Pydantic's own option for docstrings reads the source of each model when it is imported: 2 ms each, at each start.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        model: type[BaseModel] = schema["cls"]
        found = super().model_schema(schema)
        found["description"] = _unwrapped(found["description"])
        for name, docstring in _docstrings(model).items():
            field = found["properties"][model.model_fields[name].alias or name]
            field["description"] = _unwrapped(docstring)
        return found


def schemas(*models: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """JSON schemas of these models and of all models in them, by name, as answers contain them."""
    mode: JsonSchemaMode = "serialization"
    _, definitions = models_json_schema(
        [(model, mode) for model in models], ref_template=REFERENCE, schema_generator=_Described
    )
    found: dict[str, dict[str, Any]] = definitions["$defs"]
    return found


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Schema object that refers to a model's schema."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the fields of a model, which is defined at the top level of its module."""
    (definition,) = ast.parse(inspect.getsource(model)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        field.target.id: text.value.value
        for field, text in pairwise(definition.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def _unwrapped(docstring: str) -> str:
    """A docstring without the breaks of its lines; paragraphs stay."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))
