"""HTTP requests as the Nextcloud app sends them: one connection per photo, a path as file name, a generic content type.

The callers run in a worker process, so that the GIL of the measuring process does not slow them. Their CPU time is not
counted as the service's, though spent on the same cores. Unlike libcurl above 1 MiB, they send no
`Expect: 100-continue`.
"""

import httpx

from benchmarks.harness.closed_loop import Call, Response
from benchmarks.processes.running import http_client

FILE_NAME = "/srv/nextcloud/tmp/oc_tmp_6fbe56"
"""File name of the app's uploads: a path on the Nextcloud server, without an extension."""


def post(client: httpx.Client, photo: bytes) -> httpx.Response:
    """Send a photo to `/detect` by a client of `running.http_client`. Raises httpx.TransportError."""
    return client.post("/detect", files={"file": (FILE_NAME, photo, "application/octet-stream")})


def service_call(address: str, key: str) -> Call:
    """Call of a service, usable from several threads. Any response but 200 with the app's JSON is a failure.

    Args:
        address: with or without http://, as the app accepts it.
        key: sent as x-api-key.
    """
    client = http_client(address if "://" in address else f"http://{address}", key)

    def call(photo: bytes) -> Response:
        try:
            reply = post(client, photo)
            if reply.status_code != httpx.codes.OK:
                return Response(failure=f"status {reply.status_code}")
            faces = reply.json()["faces"]
            return Response(
                tuple((face["left"], face["top"], face["right"], face["bottom"]) for face in faces)
            )
        except (httpx.TransportError, ValueError, KeyError, TypeError) as error:
            return Response(failure=repr(error))

    return call
