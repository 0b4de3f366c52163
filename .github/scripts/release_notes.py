"""Check the version of a release, and print its section of CHANGELOG.md.

`python .github/scripts/release_notes.py v0.1.0`. The tag, the version in pyproject.toml and the newest section of
CHANGELOG.md must agree, and `## [Unreleased]` must be empty; otherwise one line names the difference, and the exit
status is 1. Needs the standard library alone.
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

TAG = re.compile(r"v(\d+\.\d+\.\d+)")
SECTION = re.compile(r"^## \[([^]]+)\]([^\n]*)\n(.*?)(?=^## |^\[|\Z)", re.MULTILINE | re.DOTALL)
"""Version, date and text of a section of a changelog in the form of keepachangelog.com."""


class ReleaseError(ValueError):
    """The files do not describe the release that the tag names."""


def notes(tag: str, root: Path) -> str:
    """The changelog section of a tag. Raises ReleaseError."""
    if not (match := TAG.fullmatch(tag)):
        raise ReleaseError(f"the tag {tag!r} is not of the form v1.2.3")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if match[1] != project["version"]:
        raise ReleaseError(f"the tag is {tag}, and the version in pyproject.toml is {project['version']}")
    sections = SECTION.findall((root / "CHANGELOG.md").read_text(encoding="utf-8"))
    (_, _, unreleased), (version, date, text) = _first_two(sections)
    if unreleased.strip():
        raise ReleaseError(
            "CHANGELOG.md has entries below [Unreleased]: move them into the section of the release"
        )
    if version != match[1]:
        raise ReleaseError(f"the tag is {tag}, and the newest section of CHANGELOG.md is [{version}]")
    if not re.fullmatch(r" - \d{4}-\d\d-\d\d", date):
        raise ReleaseError(
            f"the heading of [{version}] in CHANGELOG.md has no date: write ## [{version}] - YYYY-MM-DD"
        )
    if not text.strip():
        raise ReleaseError(f"the section [{version}] of CHANGELOG.md is empty")
    return text.strip() + "\n"


def _first_two(sections: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    if len(sections) < 2 or sections[0][0] != "Unreleased":
        raise ReleaseError(
            "CHANGELOG.md must begin with ## [Unreleased], followed by the section of the release"
        )
    return sections[:2]


def main(tag: str) -> int:
    try:
        sys.stdout.write(notes(tag, ROOT))
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
