"""A GET request of JSON to a running service."""

import http.client
import json
import ssl
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import click

from service.commands.shared.errors import CommandError
from service.settings import Settings
from service.text import printable, without_brackets
from service.web.server import certificate, listening

TIMEOUT_SECONDS = 30.0
"""Timeout of a request. The service hashes changed weights before it answers `/info`."""

url_option = click.option(
    "--url", metavar="URL", help="Address of the service; by default that of PORT and FACE_HOST."
)


class Service(NamedTuple):
    """Address of a running service."""

    url: str
    """With or without a scheme."""
    certificate: Path | None = None
    """The certificate to expect, whatever its names; None: it has to be valid for the host of the URL."""

    def get(self, path: str, key: str | None = None) -> dict[str, object]:
        """The JSON object at a path of the service. Raises CommandError, and CertificateError for `certificate`."""
        url = self.url if "://" in self.url else f"http://{self.url}"
        shown = printable(url)
        headers = {} if key is None else {"x-api-key": key.encode()}
        trusted = None if self.certificate is None else certificate.trusting(self.certificate)
        try:
            status, body = _response(url, path, headers, trusted)
        except ssl.SSLCertVerificationError as error:
            raise CommandError(
                f"{shown} has a certificate that is not accepted: {error.verify_message}. Name a host of the "
                "certificate with --url, and the file of its authority with SSL_CERT_FILE."
            ) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CommandError(
                f"{shown} does not answer: {reason}. Start the service there, or name its address with --url."
            ) from None
        content = _parsed(body)
        if not isinstance(content, dict):
            raise CommandError(
                f"{shown} is no face model: it answers {path} with {status} and no JSON. Name another address with "
                "--url."
            )
        if status != http.client.OK:
            raise CommandError(
                f"{shown} answers {path} with {status}: {printable(str(content.get('error')))}"
            )
        return content


def service_at(url: str | None, settings: Settings) -> Service:
    """The service at a URL; None: that of these settings on this machine."""
    if url is not None:
        return Service(url)
    host = without_brackets(settings.host)
    if listening.is_everywhere(host):
        host = "localhost"
    scheme = "http" if settings.tls_certificate is None else "https"
    in_url = f"[{host}]" if ":" in host else host
    return Service(f"{scheme}://{in_url}:{settings.port}", settings.tls_certificate)


def _response(
    url: str, path: str, headers: dict[str, bytes], trusted: ssl.SSLContext | None
) -> tuple[int, bytes]:
    """Status and body. Raises OSError, HTTPException, and ValueError for a URL of another form."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ValueError("an address has the form http://HOST:PORT")
    # Not urllib's opener, which would send the key to a proxy that the environment names.
    connection = (
        http.client.HTTPConnection(address.hostname, address.port, timeout=TIMEOUT_SECONDS)
        if address.scheme == "http"
        else http.client.HTTPSConnection(
            address.hostname, address.port, timeout=TIMEOUT_SECONDS, context=trusted
        )
    )
    with closing(connection):
        connection.request("GET", address.path.rstrip("/") + path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def _parsed(body: bytes) -> object:
    """The JSON value; None for anything else."""
    try:
        return json.loads(body)
    except ValueError:
        return None
