"""The command `info`: the `/info` of a running service."""

import json
from collections.abc import Iterator

import click

from service.commands.shared import client, loading, output
from service.commands.shared.group import examples
from service.web import keys


@click.command(
    "info",
    epilog=examples(
        [
            "face-model info",
            "face-model info --json | jq .stages",
            "API_KEY=… face-model info --url https://faces.example.org",
        ]
    ),
)
@client.url_option
@output.as_json
def command(url: str | None, as_json: bool) -> int:
    """Show the `/info` of a running service.

    These are the versions, the model, its weights, engine and provider of each stage, the worker process and the
    limits. The key is API_KEY, or the first line of API_KEY_FILE.
    """
    configuration = loading.settings_with_warnings()
    found = client.service_at(url, configuration).get("/info", keys.read_keys(configuration)[0])
    if as_json:
        output.print_json(found)
    else:
        output.print_table(["", ""], _rows(found))
    return 0


def _rows(found: dict[str, object]) -> Iterator[tuple[str, str]]:
    """Name and value of each field; fields of nested objects below the object's name."""
    for name, value in found.items():
        yield from _nested(name, value, "")


def _nested(name: str, value: object, indentation: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield indentation + name, ""
        for inner, content in value.items():
            yield from _nested(str(inner), content, indentation + "  ")
    else:
        yield indentation + name, value if isinstance(value, str) else json.dumps(value)
