import shlex
import socket
from ipaddress import ip_address

import pytest

from service.commands import occ as nextcloud
from service.settings import Settings


def test_the_three_commands() -> None:
    settings = Settings.model_validate({"FACE_HOST": "192.168.1.123", "PORT": 8080})
    assert nextcloud.occ_lines(settings, "abc") == [
        "php occ config:system:set facerecognition.external_model_url --value 192.168.1.123:8080",
        "php occ config:system:set facerecognition.external_model_api_key --value abc",
        "php occ face:setup -m 5",
    ]


def test_what_a_shell_would_change_is_quoted() -> None:
    settings = Settings.model_validate({"FACE_HOST": "fd00::7"})
    url, key, _ = nextcloud.occ_lines(settings, "it's $HOME")
    assert shlex.split(url)[-1] == "[fd00::7]:5000"
    assert shlex.split(key)[-1] == "it's $HOME"


@pytest.mark.parametrize("host", [None, "0.0.0.0", "0", "::", "[::]", "::0", "*"])
def test_an_address_to_listen_on_is_not_one_to_call(host: str | None) -> None:
    url, *_ = nextcloud.occ_lines(Settings.model_validate({"FACE_HOST": host}), "abc")
    assert nextcloud.own_address() in url


def test_a_machine_with_ipv6_alone_does_not_name_it_where_ipv4_is_listened_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        nextcloud, "_ELSEWHERE", ((socket.AF_INET, "no route"), (socket.AF_INET6, "2001:db8::1"))
    )
    url, *_ = nextcloud.occ_lines(Settings.model_validate({"FACE_HOST": "0.0.0.0"}), "abc")
    assert url.endswith(f" --value {socket.gethostname()}:5000")


@pytest.mark.parametrize(
    ("host", "address"),
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
def test_each_form_of_a_host_in_a_url(host: str, address: str) -> None:
    """libcurl 7.88 connects to each of them; PHP hands them to it as they are."""
    url, *_ = nextcloud.occ_lines(Settings.model_validate({"FACE_HOST": host}), "abc")
    assert shlex.split(url)[-1] == address


def test_the_address_is_one_of_this_machine_that_others_can_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    for name in ("send", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, lambda *arguments: sent.append(arguments), raising=False)
    address = nextcloud.own_address()
    assert sent == []
    if address == socket.gethostname():
        return
    assert not ip_address(address).is_loopback
    assert not ip_address(address).is_unspecified


def test_a_machine_with_no_route_gives_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable, raising=False)
    assert nextcloud.own_address() == socket.gethostname()
