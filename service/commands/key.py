"""The command `key`: generate the first API key."""

from model_store.command import command
from service import settings
from service.commands.occ import print_occ_lines
from service.web import keys

DEFAULT_PORT = settings.Settings.model_fields["port"].default


def run() -> int:
    """Make a random API key, unless there is one."""
    configuration = settings.load()
    path = configuration.api_key_file
    if configuration.api_key is None:
        try:
            made = keys.make_key_file(path)
        except FileExistsError:
            pass
        except OSError as error:
            raise keys.not_writable(path, error) from error
        else:
            print(f"New API key in {path}. To use this service, run in the folder of your Nextcloud:")
            print_occ_lines(configuration, made)
            return 0
    keys.read_keys(configuration)
    port = "" if configuration.port == DEFAULT_PORT else f"PORT={configuration.port} "
    print(f"There is an API key. `{port}{command('service occ')}` prints the commands for Nextcloud.")
    return 0
