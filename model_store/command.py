"""How a person is told to run something of this project: with the Python that has what it needs."""

import sys


def command(line: str) -> str:
    """A command line that runs a module, such as `model_store fetch`, from this project's folder."""
    return f"{sys.executable} -m {line}"
