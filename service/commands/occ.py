"""The command `occ`: the `occ` commands that make a Nextcloud use this service, and a command that tries it."""

import shlex
import socket
from collections.abc import Sequence
from pathlib import Path

import click

from service.commands.shared import loading
from service.commands.shared.group import examples
from service.settings import Settings
from service.text import without_brackets
from service.web import keys
from service.web.server import listening

APP_MODEL = 5
"""The app's number for every external model, whatever its FACE_MODEL."""

CONTAINER_FILES = (Path("/.dockerenv"), Path("/run/.containerenv"))
"""Files that Docker and Podman make in each container."""

_OUTSIDE_ADDRESSES = (
    # Documentation addresses (RFC 5737, RFC 3849). connect(2) of a UDP socket sends nothing: the kernel only looks up
    # the route, and with it the address of this machine that faces the outside.
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET6, "2001:db8::1"),
)


@click.command("occ", epilog=examples(["face-model occ", "PORT=8080 face-model occ"]))
def command() -> int:
    """Print the commands that make a Nextcloud use this service.

    They contain the API key. The last one tries the service, from the host of that Nextcloud.
    """
    configuration = loading.settings_with_warnings()
    print_commands(configuration, keys.read_keys(configuration)[0])
    return 0


def print_commands(configuration: Settings, key: str) -> None:
    """Print the commands, indented, and the expected answer."""
    lines = [
        *("  " + line for line in occ_lines(configuration, key)),
        "face:setup succeeds whatever the address and the key are. Try both from the host of that Nextcloud:",
        "  " + trial_line(configuration, key),
        f'The running service answers {{"preferred_mimetype":"{configuration.preferred_mimetype}","maximum_area":...}}',
    ]
    host = without_brackets(configuration.host)
    if _reachable(host) != host and any(file.exists() for file in CONTAINER_FILES):
        lines.append(
            f"{_address(configuration)} is the address of this container: outside of its network, replace it by the "
            "host's address and the published port."
        )
    # One string: if one character cannot be encoded, nothing is printed.
    print("\n".join(lines))


def trial_line(configuration: Settings, key: str) -> str:
    """A command that sends the app's request to the service. curl shows the reason of each failure."""
    return (
        f"curl -H {shlex.quote(f'x-api-key: {key}')} {shlex.quote(f'http://{_address(configuration)}/open')}"
    )


def occ_lines(configuration: Settings, key: str) -> list[str]:
    """The three commands, to be run in Nextcloud's folder."""
    address = _address(configuration)
    setting = "php occ config:system:set facerecognition.external_model_"
    return [
        f"{setting}url --value {shlex.quote(address)}",
        f"{setting}api_key --value {shlex.quote(key)}",
        f"php occ face:setup -m {APP_MODEL}",
    ]


def _address(configuration: Settings) -> str:
    """Host and port for callers."""
    return f"{_in_url(_reachable(without_brackets(configuration.host)))}:{configuration.port}"


def _reachable(host: str) -> str:
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
