"""The command line: python -m service serve | check | preflight | key | occ | settings."""

import sys

from service import early_exit


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    # Imported after the signal handlers are installed: pydantic alone takes 0.15 s to import.
    from service.commands import main as commands

    return commands.main(arguments)


if __name__ == "__main__":
    early_exit.on_signals(serving=sys.argv[1:2] == ["serve"])
    sys.exit(main())
