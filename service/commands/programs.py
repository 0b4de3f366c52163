"""The commands `convert` and `bench`: other packages' programs, which the service does not import.

The program replaces this process, so that its exit status, its signals and its terminal are its own.
"""

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from service.commands.shared.errors import CommandError

PACKAGES = Path(__file__).parents[2]
"""Folder of this project's packages: the checkout, or the environment's folder of packages."""

PASSED_ON = {"ignore_unknown_options": True, "help_option_names": []}
"""Settings of a command all of whose arguments belong to the program, `--help` too."""


@click.command("convert", context_settings=PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def convert(arguments: Sequence[str]) -> None:
    """Convert weights to validated ONNX graphs."""
    run(
        "conversion",
        arguments,
        needed=("onnx", "tqdm"),
        remedy="run `make convert` in the checkout, which installs it; an image contains converted weights",
    )


@click.command("bench", context_settings=PASSED_ON)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(arguments: Sequence[str]) -> None:
    """Compare answers and speed with dlib."""
    run(
        "benchmarks",
        arguments,
        needed=("httpx", "matplotlib", "tqdm"),
        remedy="run `make bench` in the checkout, which installs it; an image contains no benchmarks",
    )


def run(module: str, arguments: Sequence[str], *, needed: Sequence[str], remedy: str) -> None:
    """Replace this process by `python -m module`. Raises CommandError with `remedy` if a package is missing."""
    missing = [name for name in (module, *needed) if find_spec(name) is None]
    if missing:
        raise CommandError(f"The package {missing[0]} is not installed here: {remedy}.")
    path = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH"))))
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", module, *arguments], {**os.environ, "PYTHONPATH": path})
