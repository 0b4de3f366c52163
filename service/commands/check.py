"""The command `check`: run every stage of the model on this machine, without the service."""

import os
import sys
from pathlib import Path

from service import settings
from service.commands import machine
from service.commands.errors import CommandError


def run(photo: Path | None = None) -> int:
    """Run every stage, and print its engine, its time and its memory."""
    configuration = settings.load()
    for warning in settings.unknown_variables(os.environ):
        print(warning, file=sys.stderr)
    if lacking := next(machine.lacking(configuration), None):
        raise CommandError(lacking)
    # Imported last: it loads numpy, which crashes on a processor without the instructions that it needs.
    from service.commands.stage_report import stage_report

    print(stage_report(configuration, photo))
    return 0
