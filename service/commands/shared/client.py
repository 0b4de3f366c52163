"""A GET request of JSON to a running service."""

import http.client
import json
from collections.abc import Mapping
from contextlib import closing
from urllib.parse import SplitResult, urlsplit

import click

from service.commands.shared.errors import CommandError
from service.settings import Settings
from service.text import printable, without_brackets
from service.web.server import listening

TIMEOUT_SECONDS = 30.0
"""Timeout of a request. The service hashes changed weights before it answers `/info`."""
CONNECTIONS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}

url_option = click.option(
    "--url", metavar="URL", help="Address of the service; by default that of PORT and FACE_HOST."
)


def get(url: str, path: str, key: str | None = None) -> dict[str, object]:
    """The JSON object at a path of the service. Raises CommandError."""
    address = urlsplit(url if "://" in url else f"http://{url}")
    shown = printable(address.geturl())
    headers = {} if key is None else {"x-api-key": key.encode()}
    # Not urllib's opener, which would send the key to a proxy that the environment names.
    try:
        with closing(_connection(address)) as connection:
            connection.request("GET", address.path.rstrip("/") + path, headers=headers)
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
            f"{shown} is no face model: it answers {path} with {status} and no JSON. Name another address with --url."
        )
    if status != http.client.OK:
        raise CommandError(f"{shown} answers {path} with {status}: {printable(str(content.get('error')))}")
    return content


def own_address(settings: Settings) -> str:
    """The address of the service with these settings on this machine."""
    host = without_brackets(settings.host)
    if listening.is_everywhere(host):
        host = "localhost"
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def _connection(address: SplitResult) -> http.client.HTTPConnection:
    """Raises ValueError."""
    if address.scheme not in CONNECTIONS or not address.hostname:
        raise ValueError("an address has the form http://HOST:PORT")
    return CONNECTIONS[address.scheme](address.hostname, address.port, timeout=TIMEOUT_SECONDS)
