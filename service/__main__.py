"""The command line: `python -m service COMMAND`, and the script `face-model` of the installed package."""

import sys
from collections.abc import Sequence

from service import early_exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    # Imported after the signal handlers are installed.
    from service.commands import main as commands

    return commands.main(arguments)


def run() -> int:
    """Run the command of this process's arguments, which a signal ends at once, and return the exit status."""
    early_exit.on_signals(serving=sys.argv[1:2] == ["serve"])
    return main()


if __name__ == "__main__":
    sys.exit(run())
