"""Runs the application in uvicorn, one process, until it is told to stop."""

import logging
import signal
import sys
import traceback
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from service.app import create_app
from service.keys import KeyRing
from service.listening import listen
from service.recognition.engines.protocol import EngineError
from service.recognition.models import MODELS
from service.recognition.opening import RecognizerError, open_recognizer
from service.recognition.recognizer import Recognizer
from service.settings import Settings

LONGEST_HEADERS = 64 * 1024
"""Bytes of a request's headers; nobody has shown a key yet when they are read."""


def run(settings: Settings, keys: KeyRing) -> int:
    """Serves until SIGTERM or SIGINT, finishes the requests in flight, and returns the exit status.

    Raises listening.ListenError.
    """
    _configure_logging(settings.log_level)
    model = MODELS[settings.model]
    failures: list[Exception] = []

    def stop(failure: Exception) -> None:
        failures.append(failure)
        server.should_exit = True

    with listen(settings) as socket:
        # Before the first answer: a caller that hears `/open` answer sends photos, and loses those that fail.
        try:
            recognizer = _open(settings)
        except RecognizerError as error:
            _explain(error)
            return 1
        server = server_of(create_app(settings, keys, recognizer, stop))
        _end_well(server)
        logging.getLogger(__name__).info(
            "listening on %s, port %d, model %d: %s",
            settings.host or "all addresses",
            settings.port,
            model.number,
            model.description,
        )
        server.run([socket])
    for failure in failures:
        _explain(failure)
    return 1 if failures else 0


def _open(settings: Settings) -> Recognizer:
    return open_recognizer(
        MODELS[settings.model],
        engine=settings.engine,
        store=settings.store,
        workers=settings.workers,
        threads=settings.threads,
    )


def server_of(app: Starlette) -> uvicorn.Server:
    """uvicorn, set up for this application: no access log but our own, nothing before the lifespan has started."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            # Not httptools, which sets no limit to the size of headers.
            http="h11",
            h11_max_incomplete_event_size=LONGEST_HEADERS,
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )


def _end_well(server: uvicorn.Server) -> None:
    """Makes a signal end the process with status 0.

    Uvicorn stops gracefully by itself, but then raises the signal once more for the handler it had found.
    """

    def stop(_: int, __: FrameType | None) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def _explain(failure: Exception) -> None:
    if isinstance(failure, (RecognizerError, EngineError)):
        print(failure, file=sys.stderr)
    else:
        traceback.print_exception(failure)


def _configure_logging(level: str) -> None:
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    # The root stays at warnings: at lower levels, Pillow logs what is inside of a photo.
    for name in ("service", "uvicorn"):
        logging.getLogger(name).setLevel(level.upper())
