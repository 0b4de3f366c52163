"""The socket that the service listens on: every address of the machine, unless one is named."""

import errno
import socket

from service.settings import Settings

BACKLOG = 1024
"""Connections that the system accepts while the service is busy accepting others."""

_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


class ListenError(Exception):
    """The address cannot be listened on; the message names it and the settings."""


def listen(settings: Settings) -> socket.socket:
    """A listening TCP socket. Raises ListenError."""
    try:
        listener = _named(settings.host, settings.port) if settings.host else _everywhere(settings.port)
    except OSError as error:
        where = f"{settings.host or 'all addresses'}, port {settings.port}"
        raise ListenError(f"Cannot listen on {where} (FACE_HOST, PORT): {error.strerror or error}.") from None
    # Connections inherit it. asyncio sets it only for sockets made with a protocol's number, which these are not:
    # an answer's body would wait for the caller's word on its head, 40 ms for every request after the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _everywhere(port: int) -> socket.socket:
    """IPv6 and IPv4 in one socket, or IPv4 alone where the system has no IPv6."""
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
            )
        except OSError as error:
            if error.errno not in _NO_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)


def _named(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)
