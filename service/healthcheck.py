"""Liveness check of the service in this container, which Docker runs every few seconds.

`python -m service.healthcheck` exits with 0, or with 1 and a line with the reason. It reads PORT, FACE_HOST and
FACE_TLS_CERTIFICATE from the environment itself, since importing the settings takes five times as long as the request.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping
from contextlib import closing

from service.text import without_brackets

PORT = 5000
"""The default of the setting PORT."""
HOST = "localhost"
ALL_ADDRESSES = ("", "*", "::")
"""Values of FACE_HOST with which the service listens on HOST, with IPv6 and without."""
TIMEOUT_SECONDS = 4.0
"""Timeout of the request, below Docker's own of 5 s. The service answers within 15 ms under any load."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Send the request, and return the exit status."""
    # Not urllib, which would send the request to a proxy that the environment names.
    host, port = host_of(environment.get("FACE_HOST", "")), environment.get("PORT") or PORT
    try:
        with closing(_connection(environment, host, int(port))) as connection:
            connection.request("GET", "/health")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        print(
            f"{_escaped(host)} does not answer on port {_escaped(port)}: {_escaped(error)}", file=sys.stderr
        )
        return 1
    if status != http.client.OK:
        print(f"{_escaped(host)} answers /health on port {port} with {status}", file=sys.stderr)
        return 1
    return 0


def _connection(environment: Mapping[str, str], host: str, port: int) -> http.client.HTTPConnection:
    if not environment.get("FACE_TLS_CERTIFICATE"):
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The certificate has the name that callers use; this request leaves neither the machine nor a secret.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_SECONDS, context=context)


def host_of(given: str) -> str:
    """The host that answers for a FACE_HOST; HOST for all addresses."""
    host = without_brackets(given)
    return HOST if host in ALL_ADDRESSES else host


def _escaped(value: object) -> str:
    """A value of the environment, or an error that contains one, as one printable line."""
    return ascii(str(value))[1:-1]


if __name__ == "__main__":
    sys.exit(main())
