"""The parser of the command line, and the exit status of a command."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from model_store.errors import StoreError
from service.commands import check, key, occ, preflight, serve, settings_table
from service.commands.errors import CommandError
from service.settings import SettingsError
from service.web.keys import NoKey
from service.web.server.listening import ListenError

COMMANDS: dict[str, Callable[..., int]] = {
    "serve": serve.run,
    "check": check.run,
    "preflight": preflight.run,
    "key": key.run,
    "occ": occ.run,
    "settings": settings_table.run,
}
"""Name of a command to its function, whose docstring is the help text."""


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = vars(_parser().parse_args(arguments))
    run = COMMANDS[options.pop("command")]
    try:
        status = run(**options)
        sys.stdout.flush()
    except (CommandError, ListenError, NoKey, SettingsError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1
    except BrokenPipeError:  # as by `| head -1`; the interpreter would report it once more when it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except UnicodeEncodeError as error:
        print(
            f"This cannot be printed in the encoding {error.encoding}: set PYTHONIOENCODING=utf-8.",
            file=sys.stderr,
        )
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service", description="All settings are environment variables."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    parsers = {name: commands.add_parser(name, help=run.__doc__) for name, run in COMMANDS.items()}
    parsers["check"].add_argument(
        "photo", nargs="?", type=Path, help="an image file; without one, noise of 1.2 megapixels"
    )
    return parser
