import shlex
import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from service.commands import occ
from service.settings import Settings


def test_makes_the_three_commands() -> None:
    settings = Settings.model_validate({"FACE_HOST": "192.168.1.123", "PORT": 8080})
    assert occ.occ_lines(settings, "abc") == [
        "php occ config:system:set facerecognition.external_model_url --value 192.168.1.123:8080",
        "php occ config:system:set facerecognition.external_model_api_key --value abc",
        "php occ face:setup -m 5",
    ]


def test_quotes_for_the_shell() -> None:
    settings = Settings.model_validate({"FACE_HOST": "fd00::7"})
    url, key, _ = occ.occ_lines(settings, "it's $HOME")
    assert shlex.split(url)[-1] == "[fd00::7]:5000"
    assert shlex.split(key)[-1] == "it's $HOME"


def test_quotes_the_trial_for_the_shell() -> None:
    settings = Settings.model_validate({"FACE_HOST": "fd00::7"})
    assert shlex.split(occ.trial_line(settings, "it's $HOME")) == [
        "curl", "-H", "x-api-key: it's $HOME", "http://[fd00::7]:5000/open",
    ]  # fmt: skip


@pytest.mark.parametrize(("host", "hinted"), [(None, True), ("0.0.0.0", True), ("10.0.0.7", False)])
def test_says_in_a_container_that_an_address_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    host: str | None,
    hinted: bool,
) -> None:
    settings = Settings.model_validate({"FACE_HOST": host})
    monkeypatch.setattr(occ, "CONTAINER_FILES", (tmp_path / ".dockerenv", tmp_path / ".containerenv"))
    occ.print_commands(settings, "abc")
    assert "container" not in capsys.readouterr().out
    (tmp_path / ".containerenv").touch()
    occ.print_commands(settings, "abc")
    hint = f"{occ.own_address()}:5000 is the address of this container: outside of its network, replace it by"
    assert (hint in capsys.readouterr().out) is hinted


@pytest.mark.parametrize("host", [None, "0.0.0.0", "0", "::", "[::]", "::0", "*"])
def test_names_an_own_address_if_the_service_listens_on_all(host: str | None) -> None:
    url, *_ = occ.occ_lines(Settings.model_validate({"FACE_HOST": host}), "abc")
    assert occ.own_address() in url


def test_names_no_ipv6_address_if_the_service_listens_only_on_ipv4(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        occ, "_OUTSIDE_ADDRESSES", ((socket.AF_INET, "no route"), (socket.AF_INET6, "2001:db8::1"))
    )
    url, *_ = occ.occ_lines(Settings.model_validate({"FACE_HOST": "0.0.0.0"}), "abc")
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
def test_writes_each_form_of_a_host_as_in_a_url(host: str, address: str) -> None:
    """libcurl 7.88 connects to each of them, and PHP passes them on unchanged."""
    url, *_ = occ.occ_lines(Settings.model_validate({"FACE_HOST": host}), "abc")
    assert shlex.split(url)[-1] == address


def test_own_address_is_no_loopback_and_takes_no_packet_to_find(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    for name in ("send", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, lambda *arguments: sent.append(arguments), raising=False)
    address = occ.own_address()
    assert sent == []
    if address == socket.gethostname():
        return
    assert not ip_address(address).is_loopback
    assert not ip_address(address).is_unspecified


def test_own_address_is_the_host_name_without_a_route(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable, raising=False)
    assert occ.own_address() == socket.gethostname()
