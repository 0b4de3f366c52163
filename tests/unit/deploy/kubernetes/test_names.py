"""nginx with the two DNS names of the replicas: ready ones, and all as a backup. Needs nginx 1.27.3 or newer."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.processes.running import free_port
from tests.unit.deploy.kubernetes.kustomize import RULES, TEMPLATE
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
OLDEST = (1, 27, 3)
READY, ALL = "ready.test", "all.test"
A, B, REFUSING, REFUSING_TOO = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
SECONDS = 30
_ADDRESS, _NO_SUCH_NAME = 1, 3
"""Type of a record, and status of an answer, from RFC 1035."""


def version() -> tuple[int, ...]:
    if NGINX is None:
        return (0,)
    text = subprocess.run([NGINX, "-v"], capture_output=True, text=True, check=True).stderr
    return tuple(map(int, re.findall(r"\d+", text)[:3]))


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(version() < OLDEST, reason="there is no nginx 1.27.3 or newer here"),
]


class Names:
    """A DNS server on a free port: addresses by name, and no such name without one, as CoreDNS answers."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while (received := self._socket.recvfrom(512))[0]:
            query, caller = received
            end, labels = 12, []
            while length := query[end]:
                labels.append(query[end + 1 : end + 1 + length].decode())
                end += 1 + length
            (kind,) = struct.unpack(">H", query[end + 1 : end + 3])
            found = self.addresses.get(".".join(labels), [])
            shown = found if kind == _ADDRESS else []
            head = struct.pack(">HHHHH", 0x8180 | (0 if found else _NO_SUCH_NAME), 1, len(shown), 0, 0)
            records = b"".join(
                b"\xc0\x0c" + struct.pack(">HHIH", _ADDRESS, 1, 5, 4) + socket.inet_aton(address)
                for address in shown
            )
            self._socket.sendto(query[:2] + head + query[12 : end + 5] + records, caller)


class Replica(BaseHTTPRequestHandler):
    """A stub: its address as the answer."""

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = self.connection.getsockname()[0].encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def replica(address: str, port: int) -> Iterator[None]:
    with ThreadingHTTPServer((address, port), Replica) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def names(tmp_path: Path) -> Iterator[tuple[Names, httpx.Client]]:
    """The DNS server, and a client of nginx before the replicas A and B."""
    assert NGINX is not None
    port, listening = free_port(), free_port()
    with ExitStack() as closing:
        served = Names()
        closing.callback(served.close)
        for address in (A, B):
            closing.enter_context(replica(address, port))
        values = {
            "NGINX_LOCAL_RESOLVERS": f"127.0.0.1:{served.port}",
            "REPLICAS": f"{READY}:{port}",
            "REPLICAS_AND_STARTING": f"{ALL}:{port}",
        }
        template = TEMPLATE.read_text(encoding="utf-8")
        upstream = re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], template)
        (tmp_path / "replicas.conf").write_text(upstream)
        configuration = (RULES / "nginx.conf").read_text(encoding="utf-8")
        for old, new in (
            ("/etc/nginx/", f"{RULES}/"),
            ("listen 5000", f"listen 127.0.0.1:{listening}"),
            (" /tmp/", f" {tmp_path}/"),
        ):
            assert old in configuration
            configuration = configuration.replace(old, new)
        account = "user root;\n" if os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(f"{account}daemon off;\n{configuration}")
        process = subprocess.Popen([NGINX, "-e", "stderr", "-p", tmp_path, "-c", tmp_path / "nginx.conf"])
        closing.callback(process.wait)
        closing.callback(process.terminate)
        client = closing.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{listening}"))
        eventually("nginx listens", lambda: answer(client) is not None, SECONDS)
        yield served, client


def answer(client: httpx.Client) -> str | None:
    """The replica that answers a photo; empty for an error, None without nginx."""
    try:
        reply = client.post("/detect", content=bytes(100_000), headers={"x-api-key": "a"})
    except httpx.ConnectError:
        return None
    return reply.text if reply.status_code == httpx.codes.OK else ""


@pytest.mark.parametrize(
    ("ready", "everyone", "answering"),
    [
        ([A], [A, B], {A}),
        ([REFUSING, REFUSING_TOO], [A, REFUSING, REFUSING_TOO], {A}),
    ],
    ids=["one is ready", "ready ones refuse"],
)
def test_photos_reach_ready_replicas_and_without_one_those_that_start(
    names: tuple[Names, httpx.Client], ready: list[str], everyone: list[str], answering: set[str]
) -> None:
    served, client = names
    assert answer(client) == "", "no replica at all"

    def answered_by(expected: set[str]) -> bool:
        # The request for the key takes turns with the photo, so that a single caller may see one replica alone.
        found = {answer(client) for _ in range(4)}
        return found <= expected

    served.addresses.update({READY: ready, ALL: everyone})
    eventually("the names are looked up", lambda: answered_by(answering), SECONDS)
    # No replica is ready any more, and B starts.
    served.addresses.update({READY: [], ALL: [B]})
    eventually("the backup answers", lambda: answered_by({B}), SECONDS)
