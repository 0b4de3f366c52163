"""Asks the service of this container whether it answers: what Docker runs every some seconds.

`python -m service.healthcheck` ends with 0, or with 1 and a line that says why. It reads its two settings by itself:
loading the library that reads all of them takes five times as long as the question.
"""

import http.client
import os
import sys
from collections.abc import Mapping
from contextlib import closing

PORT = 5000
"""The default of the setting PORT."""
HOST = "localhost"
SECONDS = 4.0
"""Until no answer is taken for one; less than Docker waits. The service answers within 15 ms, however busy it is."""


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Ask, and return the exit status."""
    # Not urllib, which would send the question to a proxy where the environment names one.
    host, port = environment.get("FACE_HOST") or HOST, int(environment.get("PORT") or PORT)
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=SECONDS)) as connection:
            connection.request("GET", "/health")
            status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"{host} does not answer on port {port}: {error}", file=sys.stderr)
        return 1
    if status != http.client.OK:
        print(f"{host} answers /health on port {port} with {status}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
