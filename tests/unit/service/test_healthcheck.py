"""The question that Docker asks, without Docker."""

import socket
from pathlib import Path

import pytest

from benchmarks.running import free_port
from service import healthcheck
from service.settings import Settings
from tests.conftest import StartService


def test_its_defaults_are_the_services() -> None:
    assert Settings.model_fields["port"].default == healthcheck.PORT
    assert Settings.model_fields["host"].default is None
    assert socket.getaddrinfo(healthcheck.HOST, healthcheck.PORT)


def test_it_is_content_before_the_first_photo_and_whatever_proxy_is_named(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = start_service(FACE_MODEL="3", FACE_HOST="127.0.0.1")
    service.wait_until_ready()
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert healthcheck.main({"PORT": str(service.port), "FACE_HOST": "127.0.0.1"}) == 0
    assert healthcheck.main({"PORT": str(service.port), "FACE_HOST": ""}) == 0
    assert service.stop() == 0


def test_where_nobody_listens_it_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    assert healthcheck.main({"PORT": str(port)}) == 1
    assert f"port {port}" in capsys.readouterr().err


def test_it_loads_next_to_nothing() -> None:
    """Each import costs a container's CPU some milliseconds every few seconds."""
    assert healthcheck.__file__ is not None
    source = Path(healthcheck.__file__).read_text(encoding="utf-8")
    assert "from service" not in source
    assert "pydantic" not in source
