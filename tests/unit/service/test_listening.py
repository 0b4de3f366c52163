import errno
import socket
from collections.abc import Mapping

import pytest

from benchmarks.running import free_port
from service.listening import ListenError, listen
from service.settings import Settings


def _settings(values: Mapping[str, object]) -> Settings:
    return Settings.model_validate({"PORT": free_port(), **values})


def _reaches(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


def test_all_addresses_ipv6_included() -> None:
    settings = _settings({})
    with listen(settings):
        assert _reaches("127.0.0.1", settings.port)
        if socket.has_dualstack_ipv6():
            assert _reaches("::1", settings.port)


def test_an_answer_leaves_at_once() -> None:
    """Nagle's algorithm would keep a body back until the caller has acknowledged the head."""
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with listen(settings) as listener, socket.create_connection(("127.0.0.1", settings.port), timeout=10):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("how", ["no family", "no address"])
def test_a_system_without_ipv6(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    settings = _settings({})
    if how == "no family":
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    else:
        monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
        create = socket.create_server

        def ipv4_alone(
            address: tuple[str, int], *, family: int = socket.AF_INET, backlog: int, **_: bool
        ) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
            return create(address, family=family, backlog=backlog)

        monkeypatch.setattr(socket, "create_server", ipv4_alone)
    with listen(settings):
        assert _reaches("127.0.0.1", settings.port)


def test_a_named_address_only() -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with listen(settings) as listener:
        assert listener.getsockname() == ("127.0.0.1", settings.port)


def test_a_taken_port_is_named() -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with listen(settings), pytest.raises(ListenError, match=rf"127\.0\.0\.1, port {settings.port}.*in use"):
        listen(settings)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        listen(_settings({"FACE_HOST": "192.0.2.1"}))
    with pytest.raises(ListenError, match=r"no-such-host\.invalid"):
        listen(_settings({"FACE_HOST": "no-such-host.invalid"}))
