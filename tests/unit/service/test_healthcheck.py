"""The healthcheck of a container, without Docker."""

import socket
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from benchmarks.processes.running import free_port
from service import healthcheck
from service.settings import Settings
from service.web.server.listening import listen
from tests.paths import ROOT
from tests.services import StartService
from tests.unit.service.web.server.test_listening import link_local


def test_has_the_defaults_of_the_settings() -> None:
    assert Settings.model_fields["port"].default == healthcheck.PORT
    assert Settings.model_fields["host"].default is None
    assert socket.getaddrinfo(healthcheck.HOST, healthcheck.PORT)


def test_succeeds_before_the_first_photo_and_ignores_proxies(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start_service(FACE_MODEL="3", FACE_HOST="127.0.0.1")
    service.wait_until_ready()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert healthcheck.main({"PORT": str(service.port), "FACE_HOST": "127.0.0.1"}) == 0
    assert healthcheck.main({"PORT": str(service.port), "FACE_HOST": ""}) == 0
    assert service.stop() == 0


@pytest.mark.not_quick
@pytest.mark.parametrize(
    "host", ["::", "[::]", "::0", "0.0.0.0", "[::1]", "localhost", "127.1", link_local() or "::1"]
)
def test_reaches_each_address_that_the_service_listens_on(host: str) -> None:
    settings = Settings.model_validate({"PORT": free_port(), "FACE_HOST": host})
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    def serve_one(listener: socket.socket) -> None:
        with suppress(OSError), listener.accept()[0] as connection:  # closed, if another listener was reached
            connection.recv(4096)
            connection.sendall(answer)

    listeners = listen(settings)
    threads = [threading.Thread(target=serve_one, args=(listener,)) for listener in listeners]
    for thread in threads:
        thread.start()
    try:
        assert healthcheck.main({"PORT": str(settings.port), "FACE_HOST": host}) == 0
    finally:
        for listener in listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in threads:
            thread.join(30)


def test_uses_localhost_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    for host in ("::", "*", ""):
        assert healthcheck.host_of(host) == "localhost"


@pytest.mark.parametrize(
    "environment",
    [
        {"FACE_HOST": "a..b"}, {"FACE_HOST": "a\nb"}, {"FACE_HOST": "x" * 70}, {"FACE_HOST": "no-such-host.invalid"},
        {"PORT": "abc"}, {"PORT": "99999"}, {"PORT": "-1"}, {"FACE_HOST": "\udcff"},
    ],
)  # fmt: skip
def test_reports_impossible_settings_in_one_line(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert healthcheck.main({"PORT": str(free_port()), **environment}) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_names_the_port_without_a_listener(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert healthcheck.main({"PORT": str(port)}) == 1
    assert f"port {port}" in capsys.readouterr().err


def test_imports_one_small_module_of_the_service() -> None:
    """Each import takes some milliseconds of CPU every few seconds."""
    program = "import sys, service.healthcheck; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    loaded = set(done.stdout.split())
    assert {name for name in loaded if name.startswith("service.")} == {"service.healthcheck", "service.text"}
    assert not {"pydantic", "asyncio", "model_store"} & loaded
