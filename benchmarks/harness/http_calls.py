"""HTTP load as the app makes it: a connection for each photo, sent under a path and declared as bytes.

In a worker of its own, so that the GIL of who measures slows nothing; its CPU time is not the service's, but on the
same cores. `Expect: 100-continue`, which libcurl sends above 1 MiB, is left out.
"""

import httpx

from benchmarks.harness.closed_loop import Answer, Call
from benchmarks.harness.running import caller

FILE_NAME = "/srv/nextcloud/tmp/oc_tmp_6fbe56"
"""As of the app's own uploads: a path on the Nextcloud server, without an extension."""


def post(client: httpx.Client, photo: bytes) -> httpx.Response:
    """Send a photo to /detect, by a client of `running.caller`. Raises httpx.TransportError."""
    return client.post("/detect", files={"file": (FILE_NAME, photo, "application/octet-stream")})


def opened(address: str, key: str) -> Call:
    """A caller of a service, as many threads as it has callers. Anything but 200 and the app's JSON is a failure.

    Args:
        address: with or without http://, as the app takes it.
        key: sent as x-api-key.
    """
    client = caller(address if "://" in address else f"http://{address}", key)

    def call(photo: bytes) -> Answer:
        try:
            reply = post(client, photo)
            if reply.status_code != httpx.codes.OK:
                return Answer(failure=f"status {reply.status_code}")
            faces = reply.json()["faces"]
            return Answer(tuple((face["left"], face["top"], face["right"], face["bottom"]) for face in faces))
        except (httpx.TransportError, ValueError, KeyError, TypeError) as error:
            return Answer(failure=repr(error))

    return call
