"""The commands: serve, check, key, occ and settings."""

import argparse
import logging
import os
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from model_store.command import command
from model_store.errors import StoreError
from model_store.models import MODELS
from model_store.store import WeightStore
from service import logs, processor, sandbox, settings
from service.commands import occ as nextcloud
from service.supervision import process
from service.web import keys
from service.web.server import listening, open_files

log = logging.getLogger("service")


def serve() -> int:
    """Answer requests."""
    configuration = settings.load()
    logs.configure(configuration.log_level, configuration.log_format)
    valid = keys.read_keys(configuration)
    if configuration.api_key is None and keys.needlessly_open(configuration.api_key_file):
        log.warning(
            "everyone on this machine can read the key file %s: chmod 600", configuration.api_key_file
        )
    for sentence in settings.misspelt(os.environ):
        log.warning(sentence)
    if lacking := processor.lacking(configuration.engine):
        return _refuse(lacking)
    try:
        listeners = listening.listen(configuration)
        weights = WeightStore(configuration.store)
        for name in MODELS[configuration.model].weights:
            weights.path(name)
    except (listening.ListenError, StoreError) as error:
        return _refuse(error)
    open_files.allow_many()
    sandbox.forbid_core_files()
    try:
        launch = process.launched_ahead()
    except OSError as error:
        return _refuse(f"The worker process cannot be started: {error.strerror}.")
    # Only now: the libraries take longer to load than a mistake should take to show, and the worker loads its own.
    from service.web.server import http_server as server

    with ExitStack() as closing:
        for listener in listeners:
            closing.enter_context(listener)
        return server.run(configuration, keys.KeyRing(valid), listeners, launch)


def check(photo: Path | None = None) -> int:
    """Run every stage and say who computes it and how long it takes."""
    configuration = settings.load()
    for sentence in settings.misspelt(os.environ):
        print(sentence, file=sys.stderr)
    if lacking := processor.lacking(configuration.engine):
        return _refuse(lacking)
    from service.commands import check

    try:
        print(check.report(configuration, photo))
    except check.CheckError as error:
        return _refuse(error)
    return 0


def key() -> int:
    """Make a random API key, unless there is one."""
    configuration = settings.load()
    path = configuration.api_key_file
    if configuration.api_key is None:
        try:
            made = keys.make_key_file(path)
        except FileExistsError:
            pass
        except OSError as error:
            return _refuse(f"The key file {path} cannot be written: {error.strerror}.")
        else:
            print(f"New API key in {path}. To use this service, run in the folder of your Nextcloud:")
            _print_occ(configuration, made)
            return 0
    keys.read_keys(configuration)
    print(f"There is an API key. `{command('service occ')}` prints the commands for Nextcloud.")
    return 0


def occ() -> int:
    """Print the commands that make a Nextcloud use this service."""
    configuration = settings.load()
    _print_occ(configuration, keys.read_keys(configuration)[0])
    return 0


def print_settings() -> int:
    """Print the table of settings for the README, once those of the environment are known to be possible."""
    settings.load()
    print("\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *settings.markdown_rows()]))
    return 0


COMMANDS: dict[str, Callable[..., int]] = {
    "serve": serve,
    "check": check,
    "key": key,
    "occ": occ,
    "settings": print_settings,
}


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m service", description="All settings are environment variables."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in COMMANDS.items():
        added = commands.add_parser(name, help=run.__doc__)
        if run is check:
            added.add_argument(
                "photo", nargs="?", type=Path, help="an image file; without one, noise of 1.2 MP"
            )
    options = vars(parser.parse_args(arguments))
    try:
        status = COMMANDS[options.pop("command")](**options)
        sys.stdout.flush()
    except (settings.SettingsError, keys.NoKey) as error:
        return _refuse(error)
    except BrokenPipeError:  # as by `| head -1`; the interpreter would report it once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UnicodeEncodeError as error:
        return _refuse(
            f"This cannot be printed in the encoding {error.encoding}: set PYTHONIOENCODING=utf-8."
        )
    return status


def _print_occ(configuration: settings.Settings, api_key: str) -> None:
    print("\n".join("  " + line for line in nextcloud.occ_lines(configuration, api_key)))


def _refuse(reason: object) -> int:
    print(reason, file=sys.stderr)
    return 1
