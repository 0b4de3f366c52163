"""Documented commands: whether each would start, by the targets, parsers and profiles of the code."""

import argparse
import itertools
import re
import runpy
import shlex
import sys
from importlib.util import find_spec
from typing import NoReturn

import pytest
import yaml

from service import settings
from service.web import app
from tests import documentation
from tests.documentation import Command
from tests.paths import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
MAKE_VARIABLES = frozenset(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
PROFILES = frozenset(profile for service in COMPOSE["services"].values() for profile in service["profiles"])

OCC = {
    "config:system:set": {"--value"},
    "config:system:get": set(),
    "face:setup": {"-m"},
    "face:background_job": {"--workers", "--fast-mode", "--defer-clustering", "-t"},
    "face:migrate": {"-m"},
    "face:reset": {"--image-errors", "--model"},
    "face:progress": set(),
}
"""occ's commands and their documented options (facerecognition 0.9.95, lib/Command)."""
SYSTEM_PROGRAMS = frozenset(
    "[ cd chmod chown cp docker gh git jq openssl python3 systemctl useradd".split()  # noqa: SIM905 - readable
)
"""Programs in `sh` blocks that are not this project's."""
PARSED_MODULES = frozenset(
    {
        "benchmarks",
        "benchmarks.studies.crowd",
        "benchmarks.studies.process_cost",
        "conversion",
        "model_store",
        "service",
        "tests.fuzz",
    }
)
"""Modules whose documented arguments are parsed by their own parser."""
PLACEHOLDERS = {"TARGET": "png"}
"""Words of documented commands that stand for one of several choices, and one of them."""


class _Parsed(Exception):
    """A module's parser accepted its arguments."""


def _parse_and_stop(
    self: argparse.ArgumentParser, args: list[str] | None = None, namespace: None = None
) -> NoReturn:
    rest = self.parse_known_args(args, namespace)[1]
    if rest:
        self.error(f"unrecognized arguments: {rest}")
    raise _Parsed


def failing_commands(text: str) -> list[str]:
    """Commands that would fail at once: no such target, module, option, profile or program."""
    return [command.line for command in documentation.commands(text) if not _would_start(command)]


def _would_start(command: Command) -> bool:
    match command.words:
        case ["make"]:  # the program, in a sentence
            return True
        case ["make", *rest]:
            target = next((word for word in rest if "=" not in word), "")
            given = command.variables | dict(
                word.split("=", 1) for word in rest if re.match(r"[A-Z]+=", word)
            )
            options = shlex.split(given.get("ARGS", ""))
            unknown = given.keys() - MAKE_VARIABLES - settings.variables().keys()
            benchmarks = target in ("bench", "parity")
            return target in TARGETS and not unknown and (not benchmarks or _parses("benchmarks", options))
        case [".venv/bin/python" | "python", "-m", "pytest", *paths]:
            return all((ROOT / path).exists() for path in paths)
        case [".venv/bin/python" | "python", "-m", module, *arguments]:
            return find_spec(module) is not None and (
                module not in PARSED_MODULES or _parses(module, arguments)
            )
        case [".venv/bin/python", *_]:
            return True
        case ["docker", "compose", *rest]:
            asked = {profile for flag, profile in itertools.pairwise(rest) if flag == "--profile"}
            return asked <= PROFILES
        case ["docker", "build", "-f", file, *_]:
            return (ROOT / file).exists()
        case ["php", "occ", "…"]:
            return True
        case ["php", "occ", name, *options]:
            flags = {option.partition("=")[0] for option in options if option.startswith("-")}
            return name in OCC and flags <= OCC[name]
        case ["curl", *rest]:
            address = next(
                (word for word in rest if word.startswith("http://")), "http://localhost:5000/open"
            )
            return "/" + address.split("/", 3)[3] in app.PATHS if address.count("/") > 2 else False
        case [program, *_]:
            return program in SYSTEM_PROGRAMS or re.match(r"[a-z]+=", program) is not None  # a shell variable
    return True


def _parses(module: str, arguments: list[str]) -> bool:
    patch = pytest.MonkeyPatch()
    with patch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", _parse_and_stop)
        patched.setattr(sys, "argv", [module, *(PLACEHOLDERS.get(word, word) for word in arguments)])
        patched.setenv("API_KEY", "a-key")
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except _Parsed:
            return True
        except SystemExit as ended:
            return not ended.code
    return True
