"""Command lines of Docker, as far as the documentation uses them: commands, options, services and Dockerfiles."""

import argparse
from collections.abc import Callable, Collection

import yaml

from tests.paths import ROOT

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
PROFILES = frozenset(profile for service in SERVICES.values() for profile in service["profiles"])
COMMANDS = frozenset(
    "build buildx compose exec login logs pull push rm rmi run stop".split()  # noqa: SIM905 - readable
)
COMPOSE_COMMANDS = {
    "build": [],
    "ps": ["--quiet"],
    "up": ["--detach", "--build", "--no-recreate", "--wait", "--scale="],
    "down": ["--rmi="],
    "restart": [],
    "logs": [],
    "exec": ["-e="],
}
"""Compose's commands and their documented options; an equals sign marks an option with a value."""
BUILD_OPTIONS = ["-t=", "--sbom=", "--provenance=", "--metadata-file=", "--output="]
"""Documented options of `docker build` and `docker buildx build`, in addition to the Dockerfile."""


def starts(words: list[str]) -> bool:
    """True if Docker accepts the words after its name."""
    match words:
        case ["compose", *rest] if rest:
            return _accepts(_COMPOSE, rest) is not None
        case ["build", *rest] | ["buildx", "build", *rest] if rest:
            return _accepts(_BUILD, rest) is not None
        case [command, *_]:  # in a sentence, or for an image or a container
            return command in COMMANDS
    return True


def inner_command(words: list[str]) -> list[str]:
    """Command that `docker compose exec` runs in a container."""
    options = _accepts(_COMPOSE, words[1:]) if words[:1] == ["compose"] else None
    return getattr(options, "inner", [])


def _accepts(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace | None:
    try:
        return parser.parse_args(words)
    except SystemExit:
        return None


def _one_of(names: Collection[str]) -> Callable[[str], str]:
    def name(word: str) -> str:
        if word not in names:
            raise argparse.ArgumentTypeError(f"{word} is not one of {sorted(names)}")
        return word

    return name


def _add(parser: argparse.ArgumentParser, options: list[str]) -> None:
    for option in options:
        parser.add_argument(option.rstrip("="), action="append" if option.endswith("=") else "store_true")


def _compose() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("docker compose", add_help=False, allow_abbrev=False)
    parser.add_argument("--profile", action="append", type=_one_of(PROFILES))
    commands = parser.add_subparsers(required=True)
    for name, options in COMPOSE_COMMANDS.items():
        command = commands.add_parser(name, add_help=False, allow_abbrev=False)
        _add(command, options)
        command.add_argument("service", nargs=None if name == "exec" else "*", type=_one_of(SERVICES))
        if name == "exec":
            command.add_argument("inner", nargs=argparse.REMAINDER)
    return parser


def _build() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("docker build", add_help=False, allow_abbrev=False)
    dockerfiles = {path.name for path in ROOT.glob("Dockerfile*")}
    parser.add_argument("-f", "--file", default="Dockerfile", type=_one_of(dockerfiles))
    parser.add_argument("context")
    _add(parser, BUILD_OPTIONS)
    return parser


_COMPOSE, _BUILD = _compose(), _build()
