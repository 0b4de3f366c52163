"""The address of the service for other machines."""

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from service.settings import Settings
from service.web.server import address, listening


def settings_of(host: str | None) -> Settings:
    return Settings.model_validate({"FACE_HOST": host})


@pytest.mark.parametrize("host", [None, "0.0.0.0", "0", "::", "[::]", "::0", "*"])
def test_names_an_own_address_if_the_service_listens_on_all(host: str | None) -> None:
    assert address.own_address() in address.host_and_port(settings_of(host))


def test_names_no_ipv6_address_if_the_service_listens_only_on_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        address, "_OUTSIDE_ADDRESSES", ((socket.AF_INET, "no route"), (socket.AF_INET6, "2001:db8::1"))
    )
    assert address.host_and_port(settings_of("0.0.0.0")) == f"{socket.gethostname()}:5000"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("::1", "[::1]:5000"),
        ("[::1]", "[::1]:5000"),
        ("fe80::1%eth0", "[fe80::1%25eth0]:5000"),
        ("[fe80::1%25eth0]", "[fe80::1%25eth0]:5000"),
        ("127.0.0.1", "127.0.0.1:5000"),
        ("localhost", "localhost:5000"),
        ("faces.example.org", "faces.example.org:5000"),
    ],
)
def test_writes_each_form_of_a_host_as_in_a_url(host: str, expected: str) -> None:
    """libcurl 7.88 connects to each of them, and PHP passes them on unchanged."""
    assert address.host_and_port(settings_of(host)) == expected
    assert address.url(settings_of(host), []) == f"http://{expected}/"


def test_the_url_without_the_page_is_that_of_the_greeting() -> None:
    settings = Settings.model_validate({"FACE_HOST": "10.0.0.7", "FACE_PAGE": "off"})
    assert address.url(settings, []) == "http://10.0.0.7:5000/welcome"


def test_the_url_has_the_port_of_an_inherited_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
        with listening.Inherited(fileno=bound.detach()) as inherited:
            assert address.url(settings_of("10.0.0.7"), [inherited]) == f"http://127.0.0.1:{port}/"


@pytest.mark.parametrize(("host", "own"), [(None, True), ("0.0.0.0", True), ("10.0.0.7", False)])
def test_an_own_address_is_that_of_a_container(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str | None, own: bool
) -> None:
    monkeypatch.setattr(address, "CONTAINER_FILES", (tmp_path / ".dockerenv", tmp_path / ".containerenv"))
    assert not address.is_of_container(settings_of(host))
    (tmp_path / ".containerenv").touch()
    assert address.is_of_container(settings_of(host)) is own


def test_own_address_is_no_loopback_and_takes_no_packet_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    for name in ("send", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, lambda *arguments: sent.append(arguments), raising=False)
    found = address.own_address()
    assert sent == []
    if found == socket.gethostname():
        return
    assert not ip_address(found).is_loopback
    assert not ip_address(found).is_unspecified


def test_own_address_is_the_host_name_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable, raising=False)
    assert address.own_address() == socket.gethostname()
