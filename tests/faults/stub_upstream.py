"""A server behind a proxy that answers as a test prescribes."""

import itertools
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(*, before: float = 0, after: float = 0) -> Callable[[socket.socket], None]:
    """Reads a request `before` seconds after its connection, and answers `after` seconds later."""

    def serve(line: socket.socket) -> None:
        time.sleep(before)
        read_request(line)
        time.sleep(after)
        line.sendall(ANSWER)

    return serve


def read_request(line: socket.socket) -> bool:
    """Read one request of a declared length, or in chunks; False if the peer has closed."""
    with line.makefile("rb") as stream:
        head = b"".join(itertools.takewhile(lambda row: bytes(row).strip(), stream))
        if b"100-continue" in head:
            line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if length := re.search(rb"(?i)content-length: (\d+)", head):
            stream.read(int(length[1]))
        elif b"chunked" in head:
            while int(size := stream.readline(), 16):
                stream.read(int(size, 16) + 2)
            stream.readline()
        return bool(head)


@contextmanager
def upstream(serve: Callable[[socket.socket], object]) -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that calls `serve` with each connection. Yields its address and the connections so far."""
    connections: list[socket.socket] = []

    def handle(connection: socket.socket) -> None:
        with connection:
            serve(connection)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            threads.submit(handle, connection)

    with ThreadPoolExecutor(8) as threads, closing(socket.create_server(("127.0.0.1", 0))) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", connections
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
