"""The command `info`: the `/info` of a running service."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

import click

from service.commands.shared import loading, output
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.settings import Settings
from service.text import printable, without_brackets
from service.web import keys
from service.web.server import listening

TIMEOUT_SECONDS = 30.0
"""Timeout of the request. The service hashes changed weights before it answers."""
CONNECTIONS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


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
@click.option("--url", metavar="URL", help="Address of the service; by default that of PORT and FACE_HOST.")
@output.as_json
def command(url: str | None, as_json: bool) -> int:
    """Show the `/info` of a running service.

    These are the versions, the model, its weights, engine and provider of each stage, the worker process and the
    limits. The key is API_KEY, or the first line of API_KEY_FILE.
    """
    configuration = loading.settings_with_warnings()
    found = request(url or _own_address(configuration), keys.read_keys(configuration)[0])
    if as_json:
        output.print_json(found)
    else:
        output.print_table(["", ""], _rows(found))
    return 0


def request(url: str, key: str) -> dict[str, object]:
    """The answer of `/info`. Raises CommandError."""
    address = urlsplit(url if "://" in url else f"http://{url}")
    shown = printable(address.geturl())
    # Not urllib's opener, which would send the key to a proxy that the environment names.
    try:
        with closing(_connection(address)) as connection:
            connection.request("GET", address.path.rstrip("/") + "/info", headers={"x-api-key": key.encode()})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(
            f"{shown} does not answer: {reason}. Start the service there, or name its address with --url."
        ) from None
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise CommandError(
            f"{shown} is no face model: it answers /info with {status} and no JSON. Name another address with --url."
        )
    if status != http.client.OK:
        raise CommandError(f"{shown} answers /info with {status}: {printable(str(content.get('error')))}")
    return content


def _connection(address: SplitResult) -> http.client.HTTPConnection:
    """Raises ValueError."""
    if address.scheme not in CONNECTIONS or not address.hostname:
        raise ValueError("an address has the form http://HOST:PORT")
    return CONNECTIONS[address.scheme](address.hostname, address.port, timeout=TIMEOUT_SECONDS)


def _own_address(configuration: Settings) -> str:
    """The address of the service with these settings on this machine."""
    host = without_brackets(configuration.host)
    if listening.is_everywhere(host):
        host = "localhost"
    return f"http://[{host}]:{configuration.port}" if ":" in host else f"http://{host}:{configuration.port}"


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
