"""The `occ` commands that make a Nextcloud use this service, and the address they name."""

import shlex
import socket

from service.settings import Settings

APP_MODEL = 5
"""The app's number for "an external model", whichever FACE_MODEL that one runs."""

EVERYWHERE = (None, "0.0.0.0", "::")
"""Hosts to listen on that nobody can connect to."""

_ELSEWHERE = (
    # Documentation addresses (RFC 5737, RFC 3849): connecting a UDP socket sends nothing, it only asks the
    # routing table which of this machine's addresses faces the outside.
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


def occ_lines(settings: Settings, key: str) -> list[str]:
    """The three commands, to be run in Nextcloud's folder."""
    host = own_address() if settings.host in EVERYWHERE else settings.host
    address = f"{_bracketed(host)}:{settings.port}"
    setting = "php occ config:system:set facerecognition.external_model_"
    return [
        f"{setting}url --value {shlex.quote(address)}",
        f"{setting}api_key --value {shlex.quote(key)}",
        f"php occ face:setup -m {APP_MODEL}",
    ]


def own_address() -> str:
    """An address of this machine that others can reach, or its host name where it has no route to others."""
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                return str(probe.getsockname()[0])
        except OSError:
            continue  # this machine has no route for that family
    return socket.gethostname()


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
