"""The command `preflight`: the requirements of `serve` apart from its weights, checked before a download.

Each check is the one that `serve` or its worker makes later, so that a fault costs a second instead of minutes.
"""

import os

from service import settings
from service.commands import machine
from service.commands.errors import CommandError
from service.settings import Settings
from service.web import keys
from service.web.server import listening


def run() -> int:
    """Check what `serve` requires apart from weights: settings, processor, system calls, provider, key file, port."""
    configuration = settings.load()
    faults = []
    for check in (_machine, _key, _port):
        try:
            check(configuration)
        except (CommandError, keys.NoKey, listening.ListenError) as error:
            faults.append(str(error))
    if faults:
        raise CommandError("\n".join(faults))
    return 0


def _machine(configuration: Settings) -> None:
    """Processor and system calls, then a named provider with its wheel, driver and libraries."""
    machine.require(configuration)
    if machine.needs_provider(configuration) and configuration.providers != "cpu":
        # Imported last: ONNX Runtime, which loads numpy.
        from service.recognition.ort import providers

        try:
            providers.choose(configuration.providers, allow_fallback=False)
        except providers.ProviderMissing as error:
            raise CommandError(str(error)) from error


def _key(configuration: Settings) -> None:
    """The key can be read, or a key file can be made."""
    if configuration.api_key is None and not os.path.lexists(configuration.api_key_file):
        keys.check_writable(configuration.api_key_file)
    else:
        keys.read_keys(configuration)


def _port(configuration: Settings) -> None:
    for listener in listening.listen(configuration):
        listener.close()
