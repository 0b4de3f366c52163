"""TLS certificates for tests, made by the program openssl, and callers that trust them."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Made:
    """The files of a certificate for `localhost` and 127.0.0.1."""

    certificate: Path
    key: Path

    @property
    def settings(self) -> dict[str, str]:
        return {"FACE_TLS_CERTIFICATE": str(self.certificate), "FACE_TLS_KEY": str(self.key)}


def make(folder: Path, *, days: int = 30, passphrase: str = "") -> Made:
    """A new key and its own certificate in `folder`; expired with `days` below 0. Skips the test without openssl."""
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    made = Made(folder / "certificate.pem", folder / "key.pem")
    extensions = folder / "extensions"
    extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    request = folder / "request.pem"
    protected = ["-passout", f"pass:{passphrase}"] if passphrase else ["-nodes"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", *protected]
    _openssl("req", "-new", *curve, "-subj", "/CN=localhost", "-keyout", made.key, "-out", request)
    signer = ["-signkey", made.key, *(["-passin", f"pass:{passphrase}"] if passphrase else [])]
    dates = ["-days", days, "-extfile", extensions]
    _openssl("x509", "-req", "-in", request, *signer, *dates, "-out", made.certificate)
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class TlsSocket(ssl.SSLSocket):
    """A connection with the errors of a plain one, whose `shutdown` ends the output of TCP alone, so that it reads."""

    def shutdown(self, how: int) -> None:
        socket.socket.shutdown(self, how)

    def send(self, data: Any, flags: int = 0) -> int:
        with _reset():
            return super().send(data, flags)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        with _reset():
            return super().recv(buflen, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        with _reset():
            return super().recv_into(buffer, nbytes, flags)


@contextmanager
def _reset() -> Iterator[None]:
    """Raises ConnectionResetError for a reset, and for an end without close_notify."""
    try:
        yield
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        raise ConnectionResetError from None


def trusting(made: Made) -> ssl.SSLContext:
    """The context of a caller that trusts this certificate alone, and compares the name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(made.certificate)
    context.sslsocket_class = TlsSocket
    return context


def connect(port: int, context: ssl.SSLContext, patience: float = PATIENCE) -> ssl.SSLSocket:
    """A connection after its handshake. Raises OSError."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=patience)
    # As libcurl does. Without it, the kernel holds the request back until the end of the handshake is acknowledged.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False)
    except BaseException:
        plain.close()
        raise
