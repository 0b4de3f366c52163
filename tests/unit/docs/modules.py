"""Arguments of `python -m`: accepted by the module's own parser, without running the module."""

import argparse
import runpy
import sys
from typing import NoReturn

import click
import pytest

MODULES = frozenset(
    {
        "benchmarks",
        "benchmarks.gpu_check",
        "benchmarks.studies.crowd",
        "benchmarks.studies.distortions",
        "benchmarks.studies.process_cost",
        "benchmarks.studies.ray_cluster",
        "benchmarks.studies.replicas",
        "benchmarks.studies.scaling",
        "benchmarks.studies.speed_matrix",
        "conversion",
        "model_store",
        "service",
        "tests.browser.pictures",
        "tests.fuzz",
    }
)
"""Modules of the documentation. Each parses its arguments before anything else."""
PLACEHOLDERS = {"TARGET": "png"}
"""Words of documented commands that stand for one of several choices, and one of them."""


class _Parsed(Exception):
    """A module's parser accepted its arguments."""


def _parse_and_stop(
    self: argparse.ArgumentParser, args: list[str] | None = None, namespace: None = None
) -> NoReturn:
    try:
        rest = self.parse_known_args(args, namespace)[1]
    except SystemExit as ended:
        if ended.code:
            raise
        rest = []  # --help
    if rest:
        self.error(f"unrecognized arguments: {rest}")
    raise _Parsed


def _stop(self: click.Command, _: click.Context) -> None:
    """A group is invoked before the arguments of its command are parsed."""
    if not isinstance(self, click.Group):
        raise _Parsed


def _any_path(_: click.Path, value: object, __: click.Parameter | None, ___: click.Context | None) -> object:
    """Documented files need not exist."""
    return value


def parses(module: str, arguments: list[str]) -> bool:
    """True if the module's parser accepts the arguments; False also for a module that parses none."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", _parse_and_stop)
        patched.setattr(click.Command, "invoke", _stop)
        patched.setattr(click.Path, "convert", _any_path)
        patched.setattr(sys, "argv", [module, *(PLACEHOLDERS.get(word, word) for word in arguments)])
        patched.setenv("API_KEY", "a-key")
        # runpy warns of a module that another test has imported. A package is imported in any case.
        is_package = hasattr(sys.modules.get(module), "__path__")
        patched.delitem(sys.modules, f"{module}.__main__" if is_package else module, raising=False)
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except _Parsed:
            return True
        except SystemExit as ended:
            return module == "service" and ended.code == 0  # --help of click
    return False
