"""The command `key`: generate the first API key."""

import os

import click

from model_store import command as command_lines
from service import settings
from service.commands.occ import print_commands
from service.commands.shared.group import examples
from service.web import keys

OF_OCC = (
    "PORT",
    "FACE_HOST",
    "FACE_PREFERRED_MIMETYPE",
    "API_KEY_FILE",
    "FACE_TLS_CERTIFICATE",
    "FACE_TLS_KEY",
)
"""Variables that change what the command `occ` prints. API_KEY does too, and is not shown in its command line."""


@click.command("key", epilog=examples(["face-model key", "API_KEY_FILE=/data/api.key face-model key"]))
def command() -> int:
    """Make a random API key, unless there is one.

    The new key is written to API_KEY_FILE, and printed in the commands for Nextcloud. A present key is not printed:
    `face-model occ` does that.
    """
    configuration = settings.load()
    path = configuration.api_key_file
    if configuration.api_key is None:
        try:
            made = keys.make_key_file(path)
        except FileExistsError:
            pass
        except OSError as error:
            raise keys.unwritable_file(path, error) from error
        else:
            print(f"New API key in {path}. To use this service, run in the folder of your Nextcloud:")
            print_commands(configuration, made)
            return 0
    keys.read_keys(configuration)
    given = {name: value for name in OF_OCC if (value := os.environ.get(name))}
    shell = "" if configuration.api_key is None else ", in a shell with the same API_KEY"
    print(
        "There is an API key. The commands for Nextcloud, and one to try the service from there, are printed by "
        f"this command{shell}:"
    )
    print(f"  {command_lines.command('service occ', given)}")
    return 0
