"""The command `occ`: the `occ` commands that make a Nextcloud use this service, and a command that tries it."""

import shlex

import click

from service.commands.shared import loading
from service.commands.shared.group import examples
from service.settings import Settings
from service.web import keys
from service.web.server.address import base_url, host_and_port, is_of_container

APP_MODEL = 5
"""The app's number for every external model, whatever its FACE_MODEL."""


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
    if configuration.tls_certificate is not None:
        lines.append(
            "Nextcloud accepts the certificate only if it names the host of that address, and if an authority that "
            "Nextcloud's host trusts has signed it."
        )
    elif is_of_container(configuration):
        lines.append(
            f"{host_and_port(configuration)} is the address of this container: outside of its network, replace it by "
            "the host's address and the published port."
        )
    # One string: if one character cannot be encoded, nothing is printed.
    print("\n".join(lines))


def trial_line(configuration: Settings, key: str) -> str:
    """A command that sends the app's request to the service. curl shows the reason of each failure."""
    return f"curl -H {shlex.quote(f'x-api-key: {key}')} {shlex.quote(f'{base_url(configuration)}/open')}"


def occ_lines(configuration: Settings, key: str) -> list[str]:
    """The three commands, to be run in Nextcloud's folder."""
    # The app takes an address without a scheme as HTTP.
    address = base_url(configuration).removeprefix("http://")
    setting = "php occ config:system:set facerecognition.external_model_"
    return [
        f"{setting}url --value {shlex.quote(address)}",
        f"{setting}api_key --value {shlex.quote(key)}",
        f"php occ face:setup -m {APP_MODEL}",
    ]
