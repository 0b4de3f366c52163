"""The command `check`: run every stage of the model on this machine, without the service."""

from pathlib import Path

from service.commands import loading, machine


def run(photo: Path | None = None) -> int:
    """Run every stage, and print its engine, its time and its memory."""
    configuration = loading.settings_with_warnings()
    machine.require(configuration)
    # Imported last: it loads numpy, which crashes on a processor without the instructions that it needs.
    from service.commands.stage_report import stage_report

    print(stage_report(configuration, photo))
    return 0
