"""The command `check`: run every stage of the model on this machine, without the service."""

from pathlib import Path

import click

from service import machine
from service.commands.shared import loading, output, progress
from service.commands.shared.errors import CommandError
from service.commands.shared.group import examples
from service.machine import MachineError
from service.settings import SettingsError


@click.command(
    "check",
    epilog=examples(
        [
            "face-model check",
            "FACE_MODEL=3 face-model check photo.jpg",
            "FACE_PROVIDERS=cuda face-model check --json | jq .stages",
        ]
    ),
)
@click.argument("photo", required=False, type=click.Path(path_type=Path))
@output.as_json
def command(photo: Path | None, as_json: bool) -> int:
    """Run every stage on this machine, with a verdict.

    Prints engine, provider, time and memory of each stage of FACE_MODEL, measured on PHOTO, or on noise of 1.2
    megapixels; then the memory limit and the sandbox. The last line is the verdict. A fault is one line on standard
    error that names the repair, and the status is 1.
    """
    try:
        configuration = loading.settings_with_warnings()
        machine.require(configuration)
        # Imported last: they load numpy, which crashes on a processor without the instructions that it needs.
        from service.commands.check import measurement, report

        with progress.steps("loading the model") as show:
            measured = measurement.measure(configuration, photo, show)
    except (CommandError, MachineError, SettingsError) as error:
        if as_json:
            output.print_json({"ok": False, "verdict": str(error)})
        raise
    if as_json:
        output.print_json(report.content(measured))
    else:
        print("\n".join(report.lines(measured)))
    return 0
