"""The command `serve`: the HTTP service and its worker process."""

import logging
import os
from contextlib import ExitStack

import click

from model_store.models import MODELS
from model_store.store import WeightStore
from service import logs, sandbox, settings
from service.commands.shared import machine
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.supervision import process
from service.web import keys
from service.web.server import certificate, listening, open_files

log = logging.getLogger("service")


@click.command(
    "serve",
    epilog=examples(
        [
            "face-model serve",
            "FACE_MODEL=3 PORT=8080 face-model serve",
            "FACE_PROVIDERS=cuda face-model serve",
        ]
    ),
)
def command() -> int:
    """Run the service.

    It needs an API key (`face-model key`) and converted weights (`face-model models fetch`, `face-model convert`).
    SIGTERM or Ctrl-C ends it after the photos in flight.
    """
    return run()


def run() -> int:
    """Run the service, and return the exit status."""
    configuration = settings.load()
    logs.configure(configuration.log_level, configuration.log_format)
    valid = keys.read_keys(configuration)
    if configuration.api_key is None and keys.is_needlessly_world_readable(configuration.api_key_file):
        log.warning(
            "all accounts of this machine can read the key file %s: chmod 600", configuration.api_key_file
        )
    for warning in settings.unknown_variables(os.environ):
        log.warning(warning)
    machine.require(configuration)
    machine.log_unused_gpu(configuration)
    files = certificate.files_of(configuration)
    https = None if files is None else certificate.Certificate(files)
    listeners = listening.listen(configuration)
    weights = WeightStore(configuration.store)
    for name in MODELS[configuration.model].weights:
        weights.path(name)  # raises StoreError for a missing or damaged file
    open_files.raise_limit()
    sandbox.forbid_core_files()
    try:
        launch = process.launch_ahead()
    except OSError as error:
        raise CommandError(f"The worker process cannot be started: {error.strerror}.") from error
    # Imported last, so that a fault of the settings is reported before these slow imports. The worker, just started,
    # loads its own libraries at the same time.
    from service.web.server import http_server

    with ExitStack() as closing:
        for listener in listeners:
            closing.enter_context(listener)
        return http_server.run(configuration, keys.KeyRing(valid), listeners, launch, https)
