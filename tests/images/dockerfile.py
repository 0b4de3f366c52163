"""Reads a Dockerfile: what this repository uses of the language, and an error for everything else."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KNOWN = frozenset(
    {"ARG", "FROM", "RUN", "COPY", "WORKDIR", "ENV", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
)
FLAGS = {
    "COPY": frozenset({"from"}),
    "HEALTHCHECK": frozenset({"interval", "timeout", "start-period", "retries"}),
}


class DockerfileError(Exception):
    """The file says something that this reader does not know; the message begins with the line's number."""


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined, its variables not yet replaced."""

    line: int
    name: str
    flags: Mapping[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()

    def command(self) -> list[str]:
        """The words of a command: of the JSON form as they are, of the other through a shell."""
        text = self.text.removeprefix("CMD ") if self.name == "HEALTHCHECK" else self.text
        if not text.startswith("["):
            return ["/bin/sh", "-c", text]
        try:
            words = json.loads(text)
        except json.JSONDecodeError as error:
            raise DockerfileError(f"line {self.line}: {error}") from None
        return list(map(str, words))

    def pairs(self) -> dict[str, str]:
        """The names and values of ENV, or of ARG with a default."""
        pairs = [word.partition("=") for word in shlex.split(self.text)]
        if not all(equals for _, equals, _ in pairs):
            raise DockerfileError(f"line {self.line}: not NAME=value: {self.text}")
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True)
class Stage:
    """From one FROM to the next."""

    base: str
    name: str | None
    instructions: tuple[Instruction, ...]

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def last(self, name: str) -> Instruction:
        """The one that counts where a later one takes the place of an earlier one. Raises DockerfileError."""
        found = self.all(name)
        if not found:
            raise DockerfileError(f"the stage of {self.base} has no {name}")
        return found[-1]


def read(path: Path) -> list[Stage]:
    """The stages of a file. Raises DockerfileError."""
    return parse(path.read_text(encoding="utf-8"))


def parse(text: str) -> list[Stage]:
    """The stages of a Dockerfile's text. Raises DockerfileError."""
    stages: list[tuple[str, str | None, list[Instruction]]] = []
    arguments: dict[str, str] = {}
    for instruction in _instructions(text):
        if instruction.name == "FROM":
            match [expand(word, arguments) for word in instruction.words]:
                case [base]:
                    stages.append((base, None, []))
                case [base, "AS" | "as", name]:
                    stages.append((base, name, []))
                case _:
                    raise DockerfileError(f"line {instruction.line}: FROM {instruction.text}")
        elif stages:
            stages[-1][2].append(instruction)
        elif instruction.name == "ARG":
            arguments |= instruction.pairs()
        else:
            raise DockerfileError(f"line {instruction.line}: {instruction.name} before FROM")
    return [Stage(base, name, tuple(instructions)) for base, name, instructions in stages]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replaces $NAME, ${NAME} and ${NAME:-default}; what is not set is empty, as in Docker."""

    def value(match: re.Match[str]) -> str:
        name, default = match["plain"] or match["braced"], match["default"]
        return variables.get(name) or default or ""

    return re.sub(
        r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<braced>[A-Za-z_]\w*)(?::-(?P<default>[^}]*))?\})", value, text
    )


def _instructions(text: str) -> Iterator[Instruction]:
    for number, line in _joined(text):
        name, _, rest = line.partition(" ")
        name = name.upper()
        if name not in KNOWN:
            raise DockerfileError(f"line {number}: {name} is not known here")
        flags = {}
        while match := re.match(r"--([a-z-]+)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        if unknown := flags.keys() - FLAGS.get(name, frozenset()):
            raise DockerfileError(
                f"line {number}: {name} with {', '.join(sorted(unknown))} is not known here"
            )
        if rest.startswith("--") or "<<" in rest:
            raise DockerfileError(f"line {number}: {rest} is not known here")
        yield Instruction(number, name, flags, rest.strip())


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Each instruction as one line, with the number of its first; comments stand between and inside of them."""
    parts: list[str] = []
    first = 0
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if not parts:
            first = number
        parts.append(stripped.removesuffix("\\").strip())
        if not stripped.endswith("\\"):
            yield first, " ".join(parts)
            parts = []
    if parts:
        raise DockerfileError(f"line {first}: continued beyond the end of the file")
