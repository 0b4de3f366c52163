"""A parser for the Dockerfile instructions that both files use; hadolint checks the whole syntax."""

import json
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next: the base image, and name and text of each instruction, continued lines joined."""

    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        return [text for instruction, text in self.instructions if instruction == name]

    def last(self, name: str) -> str:
        """The effective text: a later instruction replaces an earlier one."""
        return self.all(name)[-1]


def read(path: Path) -> list[Stage]:
    """The stages of a file."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        name, rest = line.split(maxsplit=1)
        if name == "FROM":
            stages.append(Stage(rest.split()[0]))
        else:
            stages[-1].instructions.append((name, rest))
    return stages


def exec_form(text: str) -> list[str]:
    """The words of a command in JSON, at the end of an ENTRYPOINT or HEALTHCHECK."""
    return [str(word) for word in json.loads(text[text.index("[") :])]


def variables(text: str) -> dict[str, str]:
    """Names and values of an ENV."""
    return dict(word.split("=", 1) for word in shlex.split(text))


def kept_by_dockerignore(checkout: Path) -> list[str]:
    """The names that `.dockerignore` does not ignore; all others and each `__pycache__` are ignored."""
    first, *names, last = (checkout / ".dockerignore").read_text(encoding="utf-8").split()
    assert (first, last) == ("*", "**/__pycache__")
    assert all(name.startswith("!") for name in names)
    return [name.removeprefix("!") for name in names]
