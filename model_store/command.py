"""Command lines for messages, with the running Python interpreter, whose environment has the dependencies."""

import sys


def command(line: str) -> str:
    """A command line that runs a module, such as `model_store fetch`, from this project's folder."""
    return f"{sys.executable} -m {line}"
