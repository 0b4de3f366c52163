"""The app's calls over HTTPS, and the commands of a service with a certificate."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.held_port import activation
from benchmarks.processes.running import free_port
from service import healthcheck
from tests import certificates
from tests.calling import KEY, Caller
from tests.command_line import command
from tests.paths import ROOT
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.processes.running import Service
    from tests.certificates import Made
    from tests.services import StartService

pytestmark = pytest.mark.own_server


@dataclass(frozen=True)
class TlsCaller(Caller):
    """The app's client with an address that begins with https://."""

    context: ssl.SSLContext = ssl.create_default_context()  # noqa: RUF009 - immutable here

    def connect(self) -> socket.socket:
        return certificates.connect(self.port, self.context, self.patience)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("tls"))


def _ready(service: Service, made: Made) -> TlsCaller:
    caller = TlsCaller(service.port, context=certificates.trusting(made))

    def is_ready() -> bool:
        try:
            return caller.get("/ready").status == 200
        except ConnectionRefusedError:
            return False

    eventually("the service is ready", is_ready)
    return caller


@pytest.fixture(scope="module")
def https(start_service: StartService, made: Made) -> Iterator[Service]:
    running = start_service(FACE_MODEL="3", **made.settings)
    _ready(running, made)
    yield running
    assert running.stop() == 0


def test_gives_the_same_answers_as_http(
    https: Service, made: Made, start_service: StartService, portrait: bytes
) -> None:
    over_tls = _ready(https, made)
    plain = start_service(FACE_MODEL="3")
    plain.wait_until_ready()
    over_http = Caller(plain.port)
    assert over_tls.get("/open").json == over_http.get("/open").json
    answered = over_tls.post("/detect", over_tls.photo(portrait))
    assert (answered.status, answered.interim) == (200, False)
    assert answered.json["faces-count"] == 1
    assert answered.body == over_http.post("/detect", over_http.photo(portrait)).body
    face = over_tls.face(b'{"left":171,"top":290,"right":438,"bottom":558,"detection_confidence":1.1}')
    photo = over_tls.photo(portrait, b"a.jpg", b"image/jpeg")
    assert over_tls.post("/compute", photo, face).body == over_http.post("/compute", photo, face).body
    plain.stop()


def test_sends_100_continue_for_a_large_photo(https: Service, made: Made, portrait: bytes) -> None:
    caller = _ready(https, made)
    answered = caller.post("/detect", caller.photo(portrait + bytes(20_000_000)))
    assert (answered.status, answered.interim) == (200, True)
    assert answered.json["faces-count"] == 1


def test_a_certificate_replaces_no_key(https: Service, made: Made) -> None:
    caller = TlsCaller(https.port, key_header=b"", context=certificates.trusting(made))
    assert caller.get("/open").status == 401
    assert caller.get("/health").status == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="the program curl is not installed")
def test_curl_is_answered(https: Service, made: Made) -> None:
    curl = ("curl", "--silent", "--show-error", "--cacert", str(made.certificate), "-H", f"x-api-key: {KEY}")
    done = subprocess.run(
        [*curl, f"https://localhost:{https.port}/open"], capture_output=True, text=True, check=True
    )
    assert '"maximum_area"' in done.stdout


def test_the_healthcheck_asks_by_https(
    https: Service, made: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"PORT": str(https.port), "FACE_HOST": "127.0.0.1"}
    assert healthcheck.main({**environment, **made.settings}) == 0
    assert healthcheck.main(environment) == 1
    assert "400" in capsys.readouterr().err


def test_info_trusts_the_own_certificate_and_no_other_one(https: Service, made: Made, tmp_path: Path) -> None:
    settings = {"API_KEY": KEY, "PORT": str(https.port)}
    own = command(tmp_path, "info", "--json", **settings, **made.settings)
    assert (own.returncode, own.stderr) == (0, "")
    assert json.loads(own.stdout)["versions"]
    url = f"https://localhost:{https.port}"
    refused = command(tmp_path, "info", "--url", url, **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(
        f"{url} has a certificate that is not accepted: self-signed certificate. "
    )
    trusted = command(tmp_path, "info", "--url", url, **settings, SSL_CERT_FILE=str(made.certificate))
    assert trusted.returncode == 0
    other = certificates.make(tmp_path / "other")
    changed = command(tmp_path, "info", **settings, **other.settings)
    assert "has a certificate that is not accepted" in changed.stderr


def test_an_inherited_socket_serves_https_and_a_stop_finishes_photos(
    start_service: StartService, made: Made, portrait: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        service = start_service(
            command=activation(listener),
            pass_fds=(listener.fileno(),),
            PORT=str(port),
            FACE_MODEL="3",
            **made.settings,
        )
        caller = _ready(service, made)
        statuses: list[int] = []

        def post() -> None:
            statuses.append(caller.post("/detect", caller.photo(portrait)).status)

        callers = [threading.Thread(target=post) for _ in range(6)]
        for thread in callers:
            thread.start()
        eventually("photos are accepted", lambda: caller.metric("face_requests_in_flight") > 4)
        assert service.stop() == 0
        for thread in callers:
            thread.join()
    assert statuses == [200] * 6


@pytest.mark.parametrize("command", ["serve", "preflight"])
def test_files_that_cannot_be_used_end_with_one_line(command: str, made: Made, tmp_path: Path) -> None:
    other = certificates.make(tmp_path / "other")
    cases = [
        ({"FACE_TLS_CERTIFICATE": str(made.certificate)}, "FACE_TLS_KEY is not"),
        ({**made.settings, "FACE_TLS_KEY": str(other.key)}, "belongs to another certificate"),
        ({**made.settings, "FACE_TLS_KEY": "/nonexistent.pem"}, "/nonexistent.pem (FACE_TLS_KEY)"),
    ]
    if command == "preflight":
        expired = certificates.make(tmp_path / "expired", days=-1)
        cases.append((expired.settings, f"{expired.certificate} (FACE_TLS_CERTIFICATE) has expired"))
    for settings, part in cases:
        environment = {"API_KEY": "k", "PORT": str(free_port()), "PYTHONPATH": str(ROOT), **settings}
        done = subprocess.run(
            [sys.executable, "-m", "service", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        (line,) = done.stderr.splitlines()
        assert part in line
