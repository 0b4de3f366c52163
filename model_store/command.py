"""Command lines for messages: with the launcher that started this process, or with its Python interpreter."""

import os
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

LAUNCHER = "_FACE_MODEL"
"""Environment variable in which the launcher `face-model` gives its own path to the processes that it starts."""

COMMANDS: Mapping[str, str] = MappingProxyType(
    {"service": "", "model_store": "models ", "conversion": "convert "}
)
"""Module to the launcher's command for it."""

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def command(line: str, variables: Mapping[str, str] = NO_VARIABLES) -> str:
    """A shell command that runs a module, such as `model_store fetch`, from any folder, with environment variables.

    The launcher finds the modules, the store and the key file itself. Another command changes to the present folder,
    where all of them are found.
    """
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    if launcher := os.environ.get(LAUNCHER):
        module, _, rest = line.partition(" ")
        return " ".join([*words, shlex.quote(launcher), COMMANDS[module] + rest])
    folder, program = Path.cwd(), Path(sys.executable)
    if program.is_relative_to(folder):
        program = program.relative_to(folder)
    return " ".join(["cd", shlex.quote(str(folder)), "&&", *words, shlex.quote(str(program)), "-m", line])
