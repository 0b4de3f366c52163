"""The command `preflight`: the requirements of `serve` apart from its weights, checked before a download.

Each check is the one that `serve` or its worker makes later, so that a fault costs a second instead of minutes.
"""

import os

import click

from service import machine, settings
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.settings import Settings
from service.web import keys
from service.web.server import certificate, listening


@click.command("preflight", epilog=examples(["face-model preflight", "PORT=8080 face-model preflight"]))
def command() -> int:
    """Check what `serve` requires apart from weights.

    These are the settings, the processor, system calls, the provider, the key file, the certificate and the port. Each
    fault is a line on standard error.
    """
    return run()


def run() -> int:
    """Run the checks, and return the exit status. Raises CommandError with a line for each fault."""
    configuration = settings.load()
    faults = []
    for check in (_machine, _key, _certificate, _port):
        try:
            check(configuration)
        except (machine.MachineError, CommandError, keys.NoKey, listening.ListenError) as error:
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
            providers.require(configuration.providers)
        except providers.ProviderMissing as error:
            raise CommandError(str(error)) from error


def _key(configuration: Settings) -> None:
    """The key can be read, or a key file can be made."""
    if configuration.api_key is None and not os.path.lexists(configuration.api_key_file):
        keys.check_writable(configuration.api_key_file)
    else:
        keys.read_keys(configuration)


def _certificate(configuration: Settings) -> None:
    """The certificate for HTTPS is valid today. `serve` starts with an expired one, since a renewal is noticed."""
    if (files := certificate.files_of(configuration)) is not None:
        validity = certificate.validity(certificate.load(files), files)
        if not validity.valid:
            raise certificate.CertificateError(validity.sentence)


def _port(configuration: Settings) -> None:
    for listener in listening.listen(configuration):
        listener.close()
