"""The `occ` commands that make a Nextcloud use this service, and the address they name."""

import shlex
import socket
from collections.abc import Sequence

from service.settings import Settings
from service.web.server import listening

APP_MODEL = 5
"""The app's number for "an external model", whichever FACE_MODEL that one runs."""

_ELSEWHERE = (
    # Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket sends nothing, it only asks the
    # routing table which of this machine's addresses faces the outside.
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


def occ_lines(settings: Settings, key: str) -> list[str]:
    """The three commands, to be run in Nextcloud's folder."""
    address = f"{_in_url(_reachable(listening.plain(settings.host)))}:{settings.port}"
    setting = "php occ config:system:set facerecognition.external_model_"
    return [
        f"{setting}url --value {shlex.quote(address)}",
        f"{setting}api_key --value {shlex.quote(key)}",
        f"php occ face:setup -m {APP_MODEL}",
    ]


def _reachable(host: str) -> str:
    """What others connect to where the service listens on this host."""
    if listening.is_everywhere(host):
        return own_address()
    address = listening.literal(host)
    if address is not None and address.is_unspecified:
        return own_address(_ELSEWHERE[:1])  # 0.0.0.0: by IPv4 alone
    return host


def own_address(elsewhere: Sequence[tuple[socket.AddressFamily, str]] = _ELSEWHERE) -> str:
    """An address of this machine that others can reach, or its host name where it has no route to others."""
    for family, outside in elsewhere:
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
