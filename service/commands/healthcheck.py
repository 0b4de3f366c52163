"""Asks the service of this container whether it answers: what Docker runs every some seconds.

`python -m service.commands.healthcheck` ends with 0, or with 1 and a line with the reason. It reads two settings
itself, since the library that reads all of them takes five times as long to load as the question.
"""

import http.client
import os
import sys
from collections.abc import Mapping
from contextlib import closing

PORT = 5000
"""The default of the setting PORT."""
HOST = "localhost"
EVERYWHERE = ("", "*", "::")
"""Values of FACE_HOST with which the service listens on HOST, whether this system has IPv6 or not."""
SECONDS = 4.0
"""Until no answer is taken for one; less than Docker waits. The service answers within 15 ms, however busy it is."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Ask, and return the exit status."""
    # Not urllib, which would send the question to a proxy where the environment names one.
    host, port = host_of(environment.get("FACE_HOST", "")), environment.get("PORT") or PORT
    try:
        with closing(http.client.HTTPConnection(host, int(port), timeout=SECONDS)) as connection:
            connection.request("GET", "/health")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
        print(f"{_shown(host)} does not answer on port {_shown(port)}: {_shown(error)}", file=sys.stderr)
        return 1
    if status != http.client.OK:
        print(f"{_shown(host)} answers /health on port {port} with {status}", file=sys.stderr)
        return 1
    return 0


def host_of(given: str) -> str:
    """FACE_HOST as `service.web.server.listening` reads it: brackets and `%25` are those of a URL."""
    given = given.strip()
    if given.startswith("[") and given.endswith("]"):
        given = given[1:-1].replace("%25", "%")
    return HOST if given in EVERYWHERE else given


def _shown(value: object) -> str:
    """A value of the environment, or an error that holds one, in one line."""
    return ascii(str(value))[1:-1]


if __name__ == "__main__":
    sys.exit(main())
