"""Documented commands: whether each would start, by the targets, parsers, services and files of the project."""

import re
import shlex
from collections.abc import Callable

from service import settings
from service.web import app
from tests import documentation
from tests.paths import ROOT
from tests.servers import FACTORY, SERVERS
from tests.unit.docs import docker
from tests.unit.docs.modules import MODULES, parses

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
_USED = frozenset(re.findall(r"\$\(([A-Z_]+)\)", MAKEFILE))
_SET = frozenset(re.findall(r"^(?:export |define )?([A-Z_]+)(?: :?=|$)", MAKEFILE, re.MULTILINE))
MAKE_VARIABLES = frozenset(re.findall(r"^([A-Z_]+) \?=", MAKEFILE, re.MULTILINE)) | (_USED - _SET) | {"CACHE"}
"""Variables that a caller may set: those with a default, and those that the Makefile only uses, such as ARGS."""

PROGRAM_OF = {
    "bench": "benchmarks",
    "parity": "benchmarks",
    "gpu-check": "benchmarks.gpu_check",
    "cluster-demo": "benchmarks.studies.ray_cluster",
}
"""Modules that parse the ARGS of a target."""
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
    "[ cd chmod chown echo eval gh git journalctl jq kubectl ln mkdir openssl rm systemctl useradd usermod".split()  # noqa: SIM905 - readable
)
"""Programs in `sh` blocks that are not this project's; their arguments are not checked."""
ADDRESS = re.compile(r"(?:https?://[^/]+|[\w.-]+:\d+)(/[^?]*)?")
CHECKOUT = "/opt/face-model/"
"""Folder of the documented installation as a system service."""


def failing_commands(text: str) -> list[str]:
    """Commands that would fail at once: no such target, module, option, service, file or program."""
    return [command.line for command in documentation.commands(text) if not _starts(_words(command))]


def _words(command: documentation.Command) -> list[str]:
    """The command with the variables in front of `make` as its arguments: for make they are the same."""
    variables = command.variables if command.words[:1] == ["make"] else {}
    return [*command.words, *(f"{name}={value}" for name, value in variables.items())]


def _starts(words: list[str]) -> bool:
    if not words or words[-1] == "…" or re.match(r"[a-z]+=", words[0]):  # an abbreviation; a shell's variable
        return True
    program, *arguments = words
    return program in PROGRAMS and (not arguments or PROGRAMS[program](arguments))


def _make(words: list[str]) -> bool:
    given = dict(word.split("=", 1) for word in words if "=" in word)
    targets = {word for word in words if "=" not in word}
    options = shlex.split(given.get("ARGS", ""))
    return (
        targets <= TARGETS
        and given.keys() <= MAKE_VARIABLES | settings.variables().keys()
        and all(parses(module, options) for target, module in PROGRAM_OF.items() if target in targets)
    )


def _python(words: list[str]) -> bool:
    match words:
        case ["-m", "pytest", *paths]:
            return all(map(_exists, paths))
        case ["-m", module, *arguments]:  # without arguments, a module's name in a sentence
            return module in MODULES and (not arguments or parses(module, arguments))
    return _exists(words[0])


def _face_model(words: list[str]) -> bool:
    return parses("service", words)


def _docker(words: list[str]) -> bool:
    return docker.starts(words) and _starts(docker.inner_command(words))


def _occ(words: list[str]) -> bool:
    match words:
        case ["occ", name, *options]:
            flags = {option.partition("=")[0] for option in options if option.startswith("-")}
            return name in OCC and flags <= OCC[name]
    return False


def _curl(words: list[str]) -> bool:
    paths = [match[1] for word in words if (match := ADDRESS.fullmatch(word))]
    return bool(paths) and all(path in app.PATHS for path in paths)


def _cp(words: list[str]) -> bool:
    return all(_exists(word) for word in words[:-1] if not word.startswith("-"))


def _exists(path: str) -> bool:
    """True if a path or pattern matches a file of the project; other absolute paths are not checked."""
    path = path.removeprefix(CHECKOUT)
    return path[:1] in ("", "/") or any(ROOT.glob(path))


def _unchecked(_: list[str]) -> bool:
    return True


def _asgi_server(words: list[str]) -> bool:
    """The factory is the one that the tests start."""
    return any(word.removesuffix("()") == FACTORY for word in words)


PROGRAMS: dict[str, Callable[[list[str]], bool]] = {
    "make": _make,
    **dict.fromkeys(("python", "python3", ".venv/bin/python"), _python),
    **dict.fromkeys(("face-model", "./face-model", f"{CHECKOUT}face-model"), _face_model),
    **dict.fromkeys(SERVERS, _asgi_server),
    "docker": _docker,
    "php": _occ,
    "curl": _curl,
    "cp": _cp,
    **dict.fromkeys(SYSTEM_PROGRAMS, _unchecked),
}
"""Check of each program's arguments."""
