"""HTTP calls as the app makes them, a connection each, with the bytes of the answer.

http.client, not httpx: the measuring threads share the cores with the service, and it takes less of them.
"""

import http.client

from benchmarks.throughput.load import FILE_NAME
from benchmarks.throughput.turns import Answer

_BOUNDARY = "5f6c3a8d5e9b4c7f"
_HEAD = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{FILE_NAME}"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode()
_TAIL = f"\r\n--{_BOUNDARY}--\r\n".encode()


class Calls:
    """Calls of a service on this machine, from several threads at once, and the answers that they got.

    Args:
        port: the service's.
        key: sent as x-api-key.
    """

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self.key = key
        self._headers = {"x-api-key": key, "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self.answers: list[tuple[bytes, bytes]] = []
        """(photo, body of the answer) of every call that gave 200."""

    def detect(self, photo: bytes) -> Answer:
        """Post a photo to `/detect`. Anything but 200 is a failure, with the status; faces are not read."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        try:
            connection.request("POST", "/detect", b"".join((_HEAD, photo, _TAIL)), self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            return Answer(failure=repr(error))
        finally:
            connection.close()
        if answer.status != http.HTTPStatus.OK:
            return Answer(failure=f"status {answer.status}")
        self.answers.append((photo, body))
        return Answer()
