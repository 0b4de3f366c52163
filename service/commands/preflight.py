"""The command `preflight`: the settings, port, key file and provider of `serve`, checked before a download.

Each check is the one that `serve` makes later, so that a fault costs a second instead of minutes.
"""

import os
import sys
from collections.abc import Callable, Iterator

from service import settings
from service.commands import machine
from service.settings import Settings
from service.web import keys
from service.web.server import listening


def run() -> int:
    """Check what `serve` needs before its weights: settings, port, key file, processor and provider."""
    configuration = settings.load()
    faults = [fault for check in CHECKS for fault in check(configuration)]
    for line in (*settings.unknown_variables(os.environ), *faults):
        print(line, file=sys.stderr)
    return 1 if faults else 0


def _machine(configuration: Settings) -> Iterator[str]:
    lacking = [*machine.lacking(configuration)]
    yield from lacking
    if not lacking and machine.needs_provider(configuration) and configuration.providers != "cpu":
        # Imported last: ONNX Runtime, which loads numpy.
        from service.recognition.ort import providers

        try:
            providers.choose(configuration.providers, allow_fallback=False)
        except providers.ProviderMissing as error:
            yield str(error)


def _key(configuration: Settings) -> Iterator[str]:
    """The key can be read, or a key file can be made."""
    try:
        if configuration.api_key is None and not os.path.lexists(configuration.api_key_file):
            keys.check_writable(configuration.api_key_file)
        else:
            keys.read_keys(configuration)
    except keys.NoKey as error:
        yield str(error)


def _port(configuration: Settings) -> Iterator[str]:
    try:
        for listener in listening.listen(configuration):
            listener.close()
    except listening.ListenError as error:
        yield str(error)


CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (_machine, _key, _port)
