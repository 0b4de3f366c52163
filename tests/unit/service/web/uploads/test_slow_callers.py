"""Stalled uploads, slow uploads, and uploads that the service makes wait."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from tests.unit.service.conftest import PATIENCE, client
from tests.unit.service.raw_http import FORM, answers, connect, head, photo
from tests.unit.service.web.test_metrics import values
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server, SteeredRecognizer

MAXIMUM = 128 * 1024 * 1024
LITTLE_MEMORY = 384 * 1024**2
"""Smallest FACE_MEMORY, which leaves no bytes for uploads: one is read at a time."""
START = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'


def _drip(connection: socket.socket) -> list[int]:
    """Sends a byte every 50 ms until there is an answer, and returns its status."""
    connection.setblocking(False)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            connection.sendall(b"x")
            connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            break
    connection.settimeout(PATIENCE)
    return [answered.status for answered in answers(connection)]


def test_stalled_uploads_hold_few_bytes_and_are_answered_with_408(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    with serving(FACE_PATIENCE=1, FACE_MEMORY=1024**3) as port, client(port, key_header) as caller:
        declared = head(b"POST /detect", FORM + b"Content-Length: %d\r\n" % MAXIMUM)
        dripping = [connect(port) for _ in range(4)]
        for connection in dripping:
            connection.sendall(declared + START)
        assert caller.post("/detect", files={"file": ("a", png)}).status_code == 200
        seen = values(caller)
        assert 0 < seen["face_uploads_bytes_granted",] < 4 * 2 * 65536
        assert seen["face_uploads_bytes_limit",] < 4 * MAXIMUM
        assert seen["face_uploads_bytes_waiting",] == 0
        statuses: list[list[int]] = []
        threads = [threading.Thread(target=lambda c=c: statuses.append(_drip(c))) for c in dripping]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert statuses == [[408]] * 4
        assert values(caller)["face_uploads_bytes_granted",] == 0
        for connection in dripping:
            connection.close()


def test_a_chunked_upload_is_granted_bytes_as_they_arrive(
    serving: Server, key_header: dict[bytes, bytes], png: bytes
) -> None:
    rest = START + png + b"\r\n--b--\r\n"
    with serving() as port, client(port, key_header) as caller, connect(port) as connection:
        connection.sendall(
            head(b"POST /detect", FORM + b"Transfer-Encoding: chunked\r\nConnection: close\r\n")
        )
        connection.sendall(b"5\r\nhello\r\n")  # of a preamble
        eventually("bytes of an upload", lambda: values(caller)["face_uploads_bytes_granted",])
        assert values(caller)["face_uploads_bytes_granted",] <= 2 * 65536
        connection.sendall(b"2\r\n\r\n\r\n%x\r\n" % len(rest) + rest + b"\r\n0\r\n\r\n")
        assert [answered.status for answered in answers(connection)] == [200]
        assert values(caller)["face_uploads_bytes_granted",] == 0


def test_reads_a_chunked_upload_byte_by_byte(serving: Server, png: bytes) -> None:
    """A byte of a chunk's size line contains no byte of the body."""
    start = b"%x\r\n" % len(START) + START + b"\r\n"
    rest = png + b"\r\n--b--\r\n"
    with serving() as port, connect(port) as caller:
        caller.sendall(
            head(b"POST /detect", FORM + b"Transfer-Encoding: chunked\r\nConnection: close\r\n") + start
        )
        for piece in (*(b"%x\r\n" % len(rest)), *rest[:20]):
            caller.sendall(bytes([piece]))
            time.sleep(0.01)
        caller.sendall(rest[20:])
        for piece in b"\r\n0\r\n\r\n":
            time.sleep(0.01)
            caller.sendall(bytes([piece]))
        assert [answered.status for answered in answers(caller)] == [200]


def test_accepts_an_upload_just_above_the_minimum_rate(serving: Server, png: bytes) -> None:
    """2.5 KiB a second, for longer than FACE_PATIENCE."""
    whole = photo(png, headers=b"Connection: close\r\n")
    with serving(FACE_PATIENCE=2) as port, connect(port) as caller:
        for start in range(0, len(whole), 256):
            caller.sendall(whole[start : start + 256])
            time.sleep(0.1)
        assert [answered.status for answered in answers(caller)] == [200]


def test_time_in_the_queue_does_not_count_as_stalled(
    serving: Server, recognizer: SteeredRecognizer, png: bytes
) -> None:
    recognizer.gate.clear()
    with (
        serving(FACE_PATIENCE=0.5, FACE_MEMORY=LITTLE_MEMORY) as port,
        connect(port) as first,
        connect(port) as second,
    ):
        first.sendall(photo(png, headers=b"Connection: close\r\n"))
        assert recognizer.entered.acquire(timeout=PATIENCE)
        second.sendall(photo(png + bytes(1_000_000), headers=b"Connection: close\r\n"))
        time.sleep(1.5)  # its body waits unread for three times FACE_PATIENCE
        recognizer.gate.set()
        assert [answered.status for caller in (first, second) for answered in answers(caller)] == [200] * 2
