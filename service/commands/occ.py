"""The command `occ`: the `occ` commands that make a Nextcloud use this service."""

import shlex
import socket
from collections.abc import Sequence

from service import settings
from service.settings import Settings
from service.web import keys
from service.web.server import listening

APP_MODEL = 5
"""The app's number for every external model, whatever its FACE_MODEL."""

_OUTSIDE_ADDRESSES = (
    # Documentation addresses (RFC 5737, RFC 3849). connect(2) of a UDP socket sends nothing: the kernel only looks up
    # the route, and with it the address of this machine that faces the outside.
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


def run() -> int:
    """Print the commands that make a Nextcloud use this service."""
    configuration = settings.load()
    print_occ_lines(configuration, keys.read_keys(configuration)[0])
    return 0


def print_occ_lines(configuration: Settings, key: str) -> None:
    """Print the commands, indented."""
    # One string: if one character cannot be encoded, nothing is printed.
    print("\n".join("  " + line for line in occ_lines(configuration, key)))


def occ_lines(configuration: Settings, key: str) -> list[str]:
    """The three commands, to be run in Nextcloud's folder."""
    address = f"{_in_url(_reachable(listening.without_brackets(configuration.host)))}:{configuration.port}"
    setting = "php occ config:system:set facerecognition.external_model_"
    return [
        f"{setting}url --value {shlex.quote(address)}",
        f"{setting}api_key --value {shlex.quote(key)}",
        f"php occ face:setup -m {APP_MODEL}",
    ]


def _reachable(host: str) -> str:
    """The address for callers of a service that listens on `host`."""
    if listening.is_everywhere(host):
        return own_address()
    address = listening.literal(host)
    if address is not None and address.is_unspecified:
        return own_address(_OUTSIDE_ADDRESSES[:1])  # 0.0.0.0: by IPv4 alone
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
