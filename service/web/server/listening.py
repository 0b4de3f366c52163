"""Listening sockets: inherited by socket activation, or bound to all addresses or to those of FACE_HOST."""

import errno
import logging
import os
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

from service.settings import Settings
from service.text import printable, without_brackets

log = logging.getLogger(__name__)

BACKLOG = 1024
"""Length of the kernel's queue of connections that the service has not accepted yet."""

FIRST_INHERITED = 3
"""The first file descriptor of socket activation (SD_LISTEN_FDS_START of sd_listen_fds(3))."""

ACTIVATION = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
"""Variables of socket activation. They are meant for one process, and a child must not read them."""

UNPRIVILEGED = 1024
"""The first port that every account can bind."""
LAST_PORT = 65535
PORTS_TRIED = 100

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class ListenError(Exception):
    """The service cannot listen. The one-line message names the address or the file descriptor."""


class Inherited(socket.socket):
    """A listening socket that the service manager created and keeps open.

    Its queue of connections outlives this process: connections that are not accepted here wait for the next service.
    """


def listen(settings: Settings) -> list[socket.socket]:
    """Listening TCP sockets: inherited ones, else one for IPv4 and IPv6, or one for each address of FACE_HOST.

    Raises ListenError.
    """
    listeners: list[socket.socket] = [*_inherited()] or _bound(settings)
    for listener in listeners:
        # Accepted connections inherit TCP_NODELAY. asyncio sets it only for sockets that were created with a protocol
        # number, unlike these. Without it, the body of an answer waits for the ACK of its head: 40 ms for every request
        # after the first.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listeners


def described(settings: Settings, listeners: Sequence[socket.socket]) -> str:
    """The addresses for the log: those of inherited sockets, or those of the settings."""
    if any(isinstance(listener, Inherited) for listener in listeners):
        addresses = (listener.getsockname() for listener in listeners)
        return "inherited " + ", ".join(f"{address[0]} port {address[1]}" for address in addresses)
    return f"{settings.host or 'all addresses'}, port {settings.port}"


def _inherited() -> list[Inherited]:
    """The sockets of systemd's protocol (sd_listen_fds(3)); none if its variables are for another process.

    Removes the variables, so that no child reads them. Raises ListenError.
    """
    values = {name: os.environ.pop(name, "") for name in ACTIVATION}
    if not values["LISTEN_PID"] or not values["LISTEN_FDS"]:
        return []
    pid, count = (_positive(name, values[name]) for name in ("LISTEN_PID", "LISTEN_FDS"))
    if pid != os.getpid():
        log.warning(
            "inherited sockets are for process %d (LISTEN_PID) and are not used by %d", pid, os.getpid()
        )
        return []
    return [_inherited_socket(descriptor) for descriptor in range(FIRST_INHERITED, FIRST_INHERITED + count)]


def _positive(name: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and int(value)):
        raise ListenError(f"{name}={printable(value)} is not possible: it has to be a whole number above 0.")
    return int(value)


def _inherited_socket(descriptor: int) -> Inherited:
    """The inherited descriptor as a socket that no child inherits. Raises ListenError for all but a TCP listener."""
    no_listener = ListenError(
        f"Inherited file descriptor {descriptor} (LISTEN_FDS) is no listening TCP socket."
    )
    try:
        inherited = Inherited(fileno=descriptor)
    except OSError:
        raise no_listener from None
    if (
        inherited.family not in (socket.AF_INET, socket.AF_INET6)
        or inherited.type != socket.SOCK_STREAM
        or not inherited.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        inherited.detach()
        raise no_listener
    inherited.set_inheritable(False)
    return inherited


def _bound(settings: Settings) -> list[socket.socket]:
    """New sockets on the addresses of the settings. Raises ListenError."""
    try:
        return _on_port(settings, settings.port)
    except socket.gaierror as error:
        raise _listen_error(settings, error.strerror or str(error)) from None
    except OSError as error:
        # Not its own text, to which `create_server` adds the address once more.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise _listen_error(settings, reason, _free_port(settings, error.errno)) from None
    except ValueError as error:  # a..b, or a label of 64 letters: UnicodeError of Python's codec "idna"
        raise _listen_error(settings, f"this is no host name ({error})") from None


def _on_port(settings: Settings, port: int) -> list[socket.socket]:
    host = without_brackets(settings.host)
    return [_on_all_addresses(port)] if is_everywhere(host) else _on_host(host, port)


def _free_port(settings: Settings, number: int | None) -> int | None:
    """A port to use instead, if this one is in use or needs a privilege (error number `number`)."""
    if number not in (errno.EADDRINUSE, errno.EACCES):
        return None
    first = max(settings.port + 1, UNPRIVILEGED)
    for port in range(first, min(first + PORTS_TRIED, LAST_PORT + 1)):
        with suppress(OSError):
            for listener in _on_port(settings, port):
                listener.close()
            return port
    return None


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """Parse an IP address in any spelling (`127.1`, `0`); None for a host name."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (OSError, ValueError):
        return None
    return ip_address(found[0][4][0])


def is_everywhere(host: str) -> bool:
    """True for all addresses of both families: no host, `*`, or the unspecified IPv6 address."""
    if host in ("", "*"):
        return True
    address = literal(host)
    return isinstance(address, IPv6Address) and address.is_unspecified


def _on_all_addresses(port: int) -> socket.socket:
    """One socket for IPv6 and IPv4, or for IPv4 alone if the system has no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)


def _on_host(host: str, port: int) -> list[socket.socket]:
    """One socket per address: `localhost` is ::1 and 127.0.0.1 on most machines, and callers may use either."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    missing: OSError | None = None
    with ExitStack() as opened:
        listeners = []
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            try:
                # The whole tuple: its fourth item is the zone of a link-local address.
                listener = socket.create_server(address, family=family, backlog=BACKLOG)
            except OSError as error:
                if error.errno not in _NO_IPV6:
                    raise
                missing = error
                log.debug("%s is not listened on: %s", address[0], error.strerror)
            else:
                listeners.append(opened.enter_context(listener))
        if missing and not listeners:
            raise missing
        opened.pop_all()
    return listeners


def _listen_error(settings: Settings, reason: str, free_port: int | None = None) -> ListenError:
    where = f"{settings.host or 'all addresses'}, port {settings.port}"
    remedy = f" Port {free_port} is free: `PORT={free_port} make serve`." if free_port else ""
    return ListenError(printable(f"Cannot listen on {where} (FACE_HOST, PORT): {reason}.{remedy}"))
