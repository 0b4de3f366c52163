"""Readers of the documentation: its pages, code blocks, commands, links and tables."""

import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.paths import ROOT

README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")),
    *sorted(DOCS.rglob("*.md")),
]

CODE_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
INLINE_CODE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ASSIGNMENT = re.compile(r'([A-Z][A-Z_]*)=("[^"]*"|\S*)')
PROGRAM = re.compile(
    r'(?:[A-Z_]+=(?:"[^"]*"|\S*) )*(?:sudo -u \S+ )?'
    r"(?:make|(?:\.venv/bin/)?python3?|(?:\./|/opt/face-model/)?face-model|docker|php|curl|openssl|cp)(?= |$)"
)
"""The start of a command in inline code."""


class Command(NamedTuple):
    """A documented command line."""

    variables: dict[str, str]
    """Variables that are set in front of it."""
    words: list[str]
    """Program and arguments, without a redirection of the output."""
    line: str
    """The text as documented, without its comment."""


def name_of(page: Path) -> str:
    """A page's path from the root of the project."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks in this language."""
    return [body for kind, body in CODE_BLOCK.findall(text) if kind == language]


def prose(text: str) -> str:
    """The text without fenced blocks and comments."""
    return COMMENT.sub("", CODE_BLOCK.sub("", text))


def inline_code(text: str) -> list[str]:
    """Texts in single backquotes."""
    return INLINE_CODE.findall(prose(text))


def shell_lines(text: str) -> list[str]:
    """Lines of the `sh` blocks, without comments; a line that ends in a backslash joins the next."""
    lines = "".join(code_blocks(text, "sh")).replace("\\\n", " ").splitlines()
    return [line for line in (re.sub(r"(^|\s+)# .*", "", line).strip() for line in lines) if line]


def commands(text: str) -> Iterator[Command]:
    """Commands of `sh` blocks, and those in inline code; each of a pipeline on its own."""
    inline = [code for code in inline_code(text) if PROGRAM.match(code)]
    for line in [*shell_lines(text), *inline]:
        for part in re.split(r"\s*(?:;|&&|\|\|?)\s+", line):
            yield _command(part)


def links(text: str) -> list[str]:
    """Targets of all links but those to other sites."""
    return [target for target in LINK.findall(prose(text)) if "://" not in target]


def anchors(text: str) -> set[str]:
    """Anchors of the headings, as GitHub makes them: lower case, no punctuation, hyphens for spaces."""
    titles = [re.sub(r"[^\w\- ]", "", title.lower()) for title in HEADING.findall(prose(text))]
    return {title.strip().replace(" ", "-") for title in titles}


def rows(text: str, heading: str) -> list[list[str]]:
    """Cells of the tables under a heading, without the rows of titles and rules."""
    _, _, rest = text.partition(f"# {heading}\n")
    section = re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    table = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    return [cells for cells in table[2:] if cells]


def _command(line: str) -> Command:
    line = re.sub(r"^sudo -u \S+ ", "", line)
    variables: dict[str, str] = {}
    rest = line
    while match := ASSIGNMENT.match(rest):
        variables[match[1]] = match[2].strip('"')
        rest = rest[match.end() :].lstrip()
    words = itertools.takewhile(lambda word: word != ">", shlex.split(rest))
    return Command(variables, list(words), line)
