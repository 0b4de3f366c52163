"""Base of the models of all answers: the docstring of a field is its description in the document.

The answers are not validated at run time, which would take time of each photo: the tests compare them with the
document.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, models_json_schema

REFERENCE = "#/components/schemas/{model}"
"""Address of a schema in the document, with pydantic's name of the placeholder."""


class Fields(BaseModel):
    """An object of an answer, with these fields and no others."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class _WithoutTitles(GenerateJsonSchema):
    """Schemas without a title for each field, which would repeat its name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schemas(*models: type[BaseModel]) -> dict[str, dict[str, Any]]:
    """JSON schemas of these models and of all models in them, by name, as answers contain them."""
    mode: JsonSchemaMode = "serialization"
    _, definitions = models_json_schema(
        [(model, mode) for model in models], ref_template=REFERENCE, schema_generator=_WithoutTitles
    )
    found: dict[str, dict[str, Any]] = definitions["$defs"]
    for schema in found.values():
        for described in (schema, *schema["properties"].values()):
            if "description" in described:
                described["description"] = _unwrapped(described["description"])
    return found


def _unwrapped(docstring: str) -> str:
    """A docstring without the breaks of its lines; paragraphs stay."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in docstring.split("\n\n"))


def reference(model: type[BaseModel]) -> dict[str, str]:
    """Schema object that refers to a model's schema."""
    return {"$ref": REFERENCE.format(model=model.__name__)}
