"""Command line of the benchmarks: `python -m benchmarks [PHOTOS]`, and commands on results, as `... compare A B`.

A run decides whether an upgrade is safe on this machine with these photos: same answers as dlib, same accuracy, speed.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import commands, suite


def main(arguments: Sequence[str]) -> int:
    """Run the command of the first argument, or the benchmarks; return the exit status (`suite.main`)."""
    named: Mapping[str, Callable[[Sequence[str]], int]] = {
        "compare": commands.compare,
        "history": commands.history,
        "report": commands.report,
        "picture": commands.picture,
        "table": commands.table,
    }
    command = named.get(arguments[0]) if arguments else None
    if command is not None:
        return command(arguments[1:])
    return suite.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
