import errno
import os
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import pytest

from benchmarks.processes.running import free_port
from service.commands import occ
from service.settings import Settings
from service.web.server import listening
from service.web.server.listening import ACTIVATION, Inherited, ListenError, listen

pytestmark = pytest.mark.not_quick

Activate = Callable[..., None]


def _settings(values: Mapping[str, object]) -> Settings:
    return Settings.model_validate({"PORT": free_port(), **values})


@contextmanager
def _listening(settings: Settings) -> Iterator[list[socket.socket]]:
    sockets = listen(settings)
    try:
        yield sockets
    finally:
        for listener in sockets:
            listener.close()


def _reaches(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", [None, "", "::", "[::]", "::0", "0:0:0:0:0:0:0:0", "*"])
def test_listens_on_all_addresses_of_both_families(host: str | None) -> None:
    settings = _settings({"FACE_HOST": host})
    with _listening(settings):
        assert _reaches("127.0.0.1", settings.port)
        if socket.has_dualstack_ipv6():
            assert _reaches("::1", settings.port)


def test_accepted_connections_have_tcp_nodelay() -> None:
    """Nagle's algorithm would delay a body until the ACK of the head."""
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with (
        _listening(settings) as (listener,),
        socket.create_connection(("127.0.0.1", settings.port), timeout=10),
    ):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("how", ["no family", "no address"])
def test_listens_on_ipv4_on_a_system_without_ipv6(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
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
    with _listening(settings):
        assert _reaches("127.0.0.1", settings.port)


def test_listens_on_a_single_address() -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with _listening(settings) as (listener,):
        assert listener.getsockname() == ("127.0.0.1", settings.port)


def test_names_a_port_in_use() -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with (
        _listening(settings),
        pytest.raises(ListenError, match=rf"127\.0\.0\.1, port {settings.port}.*in use"),
    ):
        listen(settings)


def test_offers_the_next_free_port_for_one_in_use() -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with _listening(settings), pytest.raises(ListenError) as refusal:
        listen(settings)
    message = str(refusal.value)
    offered = re.fullmatch(
        rf"Cannot listen on 127\.0\.0\.1, port {settings.port} \(FACE_HOST, PORT\): Address already in use\. "
        r"Port (\d+) is free: `PORT=\1 make serve`\.",
        message,
    )
    assert offered is not None, message
    assert int(offered[1]) > settings.port
    with _listening(settings.model_copy(update={"port": int(offered[1])})):
        assert _reaches("127.0.0.1", int(offered[1]))


def test_offers_an_unprivileged_port(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def unprivileged(address: tuple[str, int], **named: Any) -> socket.socket:
        if 0 < address[1] < 1024:
            raise PermissionError(errno.EACCES, "Permission denied (while attempting to bind)")
        return create(address, **named)

    monkeypatch.setattr(socket, "create_server", unprivileged)
    with pytest.raises(ListenError, match=r"port 80 .*: Permission denied\. Port 1\d\d\d is free"):
        listen(_settings({"FACE_HOST": "127.0.0.1", "PORT": 80}))


def test_rejects_an_address_of_another_machine() -> None:
    with pytest.raises(ListenError, match=r"192\.0\.2\.1"):
        listen(_settings({"FACE_HOST": "192.0.2.1"}))
    with pytest.raises(ListenError, match=r"no-such-host\.invalid"):
        listen(_settings({"FACE_HOST": "no-such-host.invalid"}))


def test_listens_on_ipv4_alone() -> None:
    settings = _settings({"FACE_HOST": "0.0.0.0"})
    with _listening(settings):
        assert _reaches("127.0.0.1", settings.port)
        assert not _reaches("::1", settings.port)


def test_listens_on_every_address_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that this system lacks is skipped."""
    find = socket.getaddrinfo

    def of_both_families(host: str, port: int | None, *arguments: int, **named: int) -> object:
        if host != "some.host" or port is None:
            return find(host, port, *arguments, **named)
        ipv4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        ipv6 = [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            for address in ("::1", "2001:db8::1")
        ]
        return [*ipv6, ipv4, ipv4]

    monkeypatch.setattr(socket, "getaddrinfo", of_both_families)
    settings = _settings({"FACE_HOST": "some.host"})
    with _listening(settings) as listeners:
        assert len(listeners) == 1 + socket.has_dualstack_ipv6()
        assert _reaches("127.0.0.1", settings.port)
        with pytest.raises(ListenError, match=r"some\.host.*in use"):
            listen(settings)
    for listener in listen(settings):  # all of the failed attempt's are closed
        listener.close()


def link_local() -> str | None:
    """An address of this machine with its zone (/proc/net/if_inet6: address, index, length, scope, flags, name)."""
    table = Path("/proc/net/if_inet6")
    for line in table.read_text().splitlines() if table.exists() else ():
        digits, _, _, scope, _, name = line.split()
        if scope == "20":
            groups = (digits[start : start + 4] for start in range(0, 32, 4))
            return f"{socket.inet_ntop(socket.AF_INET6, bytes.fromhex(''.join(groups)))}%{name}"
    return None


@pytest.mark.skipif(link_local() is None, reason="no interface with a link-local IPv6 address")
@pytest.mark.parametrize("form", ["{}", "[{}]", "url"])
def test_keeps_the_zone_of_a_link_local_address(form: str) -> None:
    address = str(link_local())
    host = f"[{address.replace('%', '%25')}]" if form == "url" else form.format(address)
    settings = _settings({"FACE_HOST": host})
    with _listening(settings):
        assert _reaches(address, settings.port)
        url, *_ = occ.occ_lines(settings, "key")
        assert url.endswith(f"--value '[{address.replace('%', '%25')}]:{settings.port}'") or url.endswith(
            f"--value [{address.replace('%', '%25')}]:{settings.port}"
        )


@pytest.mark.parametrize("host", ["a..b", "x" * 64, "a\0b", "http://host", "[::1", "1.2.3.4.5", "host name"])
def test_rejects_an_invalid_host_in_one_line(host: str) -> None:
    with pytest.raises(ListenError) as refusal:
        listen(_settings({"FACE_HOST": host}))
    assert "FACE_HOST" in str(refusal.value)
    assert "\n" not in str(refusal.value)


FIRST = 500
"""First descriptor in the tests; 3 is in use by the test process."""


@pytest.fixture
def activated(monkeypatch: pytest.MonkeyPatch) -> Iterator[Activate]:
    """`activated(one, another, LISTEN_PID="1")` makes the sockets inherited, with the given variables."""
    monkeypatch.setattr(listening, "FIRST_INHERITED", FIRST)
    made: list[int] = []

    def activate(*sockets: socket.socket | TextIO, **variables: str) -> None:
        for descriptor, given in enumerate(sockets, FIRST):
            made.append(os.dup2(given.fileno(), descriptor))
        values = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": "http"}
        for name, value in {**values, **variables}.items():
            monkeypatch.setenv(name, value)

    yield activate
    for descriptor in made:
        with suppress(OSError):
            os.close(descriptor)


def test_uses_inherited_sockets_instead_of_the_port(activated: Activate) -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as another:
        activated(one, another)
        with _listening(settings) as listeners:
            assert all(isinstance(listener, Inherited) for listener in listeners)
            assert [listener.getsockname() for listener in listeners] == [
                one.getsockname(),
                another.getsockname(),
            ]
            assert not _reaches("127.0.0.1", settings.port)
            # Hidden from child processes.
            assert not os.environ.keys() & set(ACTIVATION)
            assert not any(listener.get_inheritable() for listener in listeners)
            ports = [made.getsockname()[1] for made in (one, another)]
            assert listening.described(settings, listeners) == (
                f"inherited 127.0.0.1 port {ports[0]}, 127.0.0.1 port {ports[1]}"
            )
        assert _reaches("127.0.0.1", ports[0]), "it belongs to the service manager, and stays open"


def test_inherited_sockets_have_tcp_nodelay(activated: Activate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as made:
        activated(made)
        with (
            _listening(_settings({})) as (listener,),
            socket.create_connection(made.getsockname(), timeout=10),
        ):
            connection, _ = listener.accept()
            with connection:
                assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_ignores_the_sockets_of_another_process(
    activated: Activate, caplog: pytest.LogCaptureFixture
) -> None:
    settings = _settings({"FACE_HOST": "127.0.0.1"})
    with socket.create_server(("127.0.0.1", 0)) as made:
        activated(made, LISTEN_PID="1")
        with _listening(settings) as (listener,):
            assert listener.getsockname()[1] == settings.port
    assert "are for process 1 (LISTEN_PID)" in caplog.text
    assert "LISTEN_FDS" not in os.environ


@pytest.mark.parametrize("name", ["LISTEN_PID", "LISTEN_FDS"])
@pytest.mark.parametrize("value", ["x", "-1", "0", "1\n2"])
def test_names_an_invalid_variable(activated: Activate, name: str, value: str) -> None:
    activated(**{name: value})
    with pytest.raises(ListenError, match=rf"^{name}=\S+ is not possible: .*\.$"):
        listen(_settings({}))


@pytest.mark.parametrize("kind", ["none", "file", "unbound", "datagram", "connected", "unix"])
def test_rejects_a_descriptor_that_is_no_tcp_listener(activated: Activate, tmp_path: Path, kind: str) -> None:
    with ExitStack() as closing:
        opened = closing.enter_context
        activated()
        if kind == "file":
            activated(opened((tmp_path / "file").open("w")))
        elif kind == "unbound":
            activated(opened(socket.socket()))
        elif kind == "datagram":
            activated(opened(socket.socket(type=socket.SOCK_DGRAM)))
        elif kind == "connected":
            made = opened(socket.create_server(("127.0.0.1", 0)))
            activated(opened(socket.create_connection(made.getsockname())))
        elif kind == "unix":
            made = opened(socket.socket(socket.AF_UNIX))
            made.bind(str(tmp_path / "socket"))
            made.listen()
            activated(made)
        os.environ["LISTEN_FDS"] = "1"
        with pytest.raises(ListenError, match=rf"^Inherited file descriptor {FIRST} .* is no listening TCP"):
            listen(_settings({}))
