"""What to run before anything is changed: `python -m benchmarks [PHOTOS]`, `... compare A B`, `... history FOLDER`.

Are the results the same as dlib's, do they mean the same to people, is it faster: on this machine, with these photos.
"""

import sys
from collections.abc import Callable, Mapping, Sequence

from benchmarks import commands, suite


def main(arguments: Sequence[str]) -> int:
    """Run the command that the first word names, or the benchmarks. The exit status: 0 green, 1 red, 2 nothing done."""
    named: Mapping[str, Callable[[Sequence[str]], int]] = {
        "compare": commands.compare,
        "history": commands.history,
        "report": commands.report,
        "table": commands.table,
    }
    command = named.get(arguments[0]) if arguments else None
    if command is not None:
        return command(arguments[1:])
    return suite.main(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
