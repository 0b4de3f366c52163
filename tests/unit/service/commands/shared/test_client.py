"""Addresses of a service, and errors of its callers; its answers: tests/contract/test_commands.py."""

from pathlib import Path

import pytest

from service.commands.shared.client import Service, service_at
from service.commands.shared.errors import CommandError
from service.settings import Settings
from service.web.server.certificate import CertificateError


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://localhost:5000"),
        ({"FACE_HOST": "0.0.0.0", "PORT": "8080"}, "http://0.0.0.0:8080"),
        ({"FACE_HOST": "[fd00::1]"}, "http://[fd00::1]:5000"),
        ({"FACE_TLS_CERTIFICATE": "/a/b.pem", "FACE_TLS_KEY": "/a/b.key"}, "https://localhost:5000"),
    ],
)
def test_the_own_service_has_the_address_of_the_settings(values: dict[str, str], url: str) -> None:
    settings = Settings.model_validate(values)
    assert service_at(None, settings) == Service(url, settings.tls_certificate)
    assert service_at("https://other", settings) == Service("https://other")


@pytest.mark.parametrize(
    "url", ["http://[::1", "ftp://localhost", "http://", "localhost:99999999", "http://a b:1"]
)
def test_an_impossible_address_is_an_error_of_the_command(url: str) -> None:
    with pytest.raises(CommandError, match=r"does not answer: .* name its address with --url"):
        Service(url).get("/info")


def test_a_certificate_that_cannot_be_read_is_named() -> None:
    with pytest.raises(CertificateError, match=r"/nonexistent\.pem \(FACE_TLS_CERTIFICATE\) cannot be read"):
        Service("https://localhost:1", Path("/nonexistent.pem")).get("/info")
