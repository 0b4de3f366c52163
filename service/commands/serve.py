"""The command `serve`: the HTTP service with its own server, and its worker process."""

from contextlib import ExitStack
from functools import partial

import click

from service import logs, settings
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.hosting.computing import check, open_computing
from service.web.server import certificate, listening


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
    keys = check(configuration)
    files = certificate.files_of(configuration)
    https = None if files is None else certificate.Certificate(files)
    listeners = listening.listen(configuration)
    with ExitStack() as closing:
        for listener in listeners:
            closing.enter_context(listener)
        computing = open_computing(configuration, keys)
        try:
            computing = computing.started_ahead()
        except OSError as error:
            raise CommandError(f"The worker process cannot be started: {error.strerror}.") from error
        # Imported last, so that a fault of the settings is reported before these slow imports. The worker, just
        # started, loads its own libraries at the same time.
        from service.hosting.asgi import application
        from service.web.server import http_server

        return http_server.run(
            partial(application, computing),
            configuration,
            computing.capacity,
            listeners,
            https,
        )
