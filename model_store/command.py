"""Command lines for messages, with the running Python interpreter, whose environment has the dependencies."""

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

NO_VARIABLES: Mapping[str, str] = MappingProxyType({})


def command(line: str, variables: Mapping[str, str] = NO_VARIABLES) -> str:
    """A shell command that runs a module, such as `model_store fetch`, from any folder, with environment variables.

    It changes to the present folder: the modules are found there, and so are the store and the key file.
    """
    folder, program = Path.cwd(), Path(sys.executable)
    if program.is_relative_to(folder):
        program = program.relative_to(folder)
    words = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join(["cd", shlex.quote(str(folder)), "&&", *words, shlex.quote(str(program)), "-m", line])
