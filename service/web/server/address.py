"""Address of this service for callers on other machines: its host and port, and its URL."""

import socket
from collections.abc import Sequence
from pathlib import Path

from service.settings import Settings
from service.text import without_brackets
from service.web.server import certificate, listening

CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman make in each container."""

_OUTSIDE_ADDRESSES = (
    # Documentation addresses (RFC 5737, RFC 3849). connect(2) of a UDP socket sends nothing: the kernel only looks up
    # the route, and with it the address of this machine that faces the outside.
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


def host_and_port(settings: Settings) -> str:
    """Host and port of the settings for callers, as in a URL."""
    return f"{_in_url(reachable(without_brackets(settings.host)))}:{settings.port}"


def base_url(settings: Settings) -> str:
    """URL for callers, without a slash at the end.

    With HTTPS, its host is the first name of the certificate, with which callers compare it.
    """
    if settings.tls_certificate is None:
        return f"http://{host_and_port(settings)}"
    names = certificate.names_of(settings)
    return f"https://{names[0]}:{settings.port}" if names else f"https://{host_and_port(settings)}"


def url(settings: Settings, listeners: Sequence[socket.socket]) -> str:
    """URL for a browser, of the page or, without one, of `/welcome`: of the first inherited socket, or of FACE_HOST."""
    path = "/" if settings.page else "/welcome"
    scheme = "http" if settings.tls_certificate is None else "https"
    for listener in listeners:
        if isinstance(listener, listening.Inherited):
            host, port, *_ = listener.getsockname()
            return f"{scheme}://{_in_url(reachable(host))}:{port}{path}"
    return base_url(settings) + path


def is_of_container(settings: Settings) -> bool:
    """True if the address of `host_and_port` is known in the network of a container alone."""
    host = without_brackets(settings.host)
    return reachable(host) != host and any(file.exists() for file in CONTAINER_FILES)


def reachable(host: str) -> str:
    """The address for callers of a service that listens on `host`."""
    if listening.is_everywhere(host):
        return own_address()
    address = listening.literal(host)
    if address is not None and address.is_unspecified:
        return own_address(_OUTSIDE_ADDRESSES[:1])  # 0.0.0.0: only by IPv4
    return host


def own_address(outside_addresses: Sequence[tuple[socket.AddressFamily, str]] = _OUTSIDE_ADDRESSES) -> str:
    """An address of this machine that other machines can reach, or its host name if it has no route to them."""
    for family, outside in outside_addresses:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((outside, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue  # this machine has no route for that family
    return socket.gethostname()


def _in_url(host: str) -> str:
    """The host part of a URL: IPv6 addresses in brackets, `%` before a zone as `%25` (RFC 3986, 3.2.2; RFC 6874)."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host
