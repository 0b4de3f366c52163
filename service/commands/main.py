"""The group of all commands, and the exit status of a command.

Each entry of SECTIONS names a click command, whose function returns the exit status.
"""

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import click

from model_store.command import LAUNCHER
from service.commands.shared.group import COMPLETION, PROGRAM, Entry, LazyGroup, examples

SECTIONS: Mapping[str, Mapping[str, Entry]] = MappingProxyType(
    {
        "Service": {
            "serve": Entry("service.commands.serve", "Run the service."),
            "preflight": Entry(
                "service.commands.preflight", "Check what `serve` requires apart from weights."
            ),
            "check": Entry(
                "service.commands.check.command", "Run every stage on this machine, with a verdict."
            ),
            "info": Entry("service.commands.info", "Show the `/info` of a running service."),
        },
        "Photos": {
            "analyse": Entry("service.commands.analyse.command", "Print the faces of photos as JSON lines."),
            "estimate": Entry(
                "service.commands.estimate.command", "Estimate the time for a library of photos."
            ),
        },
        "Models": {
            "models": Entry("service.commands.models", "List, fetch, verify and add weights."),
            "convert": Entry(
                "service.commands.programs", "Convert weights to validated ONNX graphs.", "convert"
            ),
            "bench": Entry("service.commands.programs", "Compare answers and speed with dlib.", "bench"),
        },
        "Set-up": {
            "key": Entry("service.commands.key", "Make a random API key, unless there is one."),
            "occ": Entry(
                "service.commands.occ", "Print the commands that make a Nextcloud use this service."
            ),
            "settings": Entry(
                "service.commands.settings_table", "Show all settings, and check those that are set."
            ),
            "completion": Entry("service.commands.completion", "Print a shell's completion script."),
        },
    }
)

EXIT_STATUSES: Mapping[int, str] = MappingProxyType(
    {
        0: "success",
        1: "a fault, named on standard error with its repair; `analyse`: at least one photo failed",
        2: "an unknown command or option, or an impossible argument",
    }
)

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a full disk."""

EXAMPLES = (
    "face-model check photo.jpg",
    "FACE_MODEL=3 PORT=8080 face-model serve",
    'eval "$(face-model completion bash)"',
)


def group() -> LazyGroup:
    """The command line."""
    statuses = "\n".join(
        ["\b", "Exit status:", *(f"  {status}  {meaning}" for status, meaning in EXIT_STATUSES.items())]
    )
    return LazyGroup(
        SECTIONS,
        "A face model for Nextcloud's Face Recognition, with the answers of dlib.\n\nAll settings are environment "
        "variables: `face-model settings` lists them, and `face-model COMMAND --help` has examples.",
        epilog=f"{examples(EXAMPLES)}\n\n{statuses}",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    try:
        status = group().main(arguments, _program(), COMPLETION, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # as by `| head -1`
        _discard_output()
        return 1
    except UnicodeEncodeError as error:
        print(
            f"This cannot be printed in the encoding {error.encoding}: set PYTHONIOENCODING=utf-8.",
            file=sys.stderr,
        )
        return 1
    except Exception as error:
        # Imported last: each command imports the errors of its own libraries.
        from service.commands.shared.faults import EXPECTED

        if isinstance(error, OSError) and error.errno in NO_SPACE:
            _discard_output()
            print(f"{error.filename or 'The output'} cannot be written: {error.strerror}.", file=sys.stderr)
        elif isinstance(error, EXPECTED):
            print(error, file=sys.stderr)
        else:
            raise
        return 1
    return int(status or 0)


def _discard_output() -> None:
    """Discard buffered output: the interpreter would report once more, when it ends, that it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _program() -> str | None:
    """The name for the usage lines; None: as it was called, such as `python -m service`."""
    return PROGRAM if os.environ.get(LAUNCHER) else None
