"""`.github/scripts/release_notes.py`: a tag, pyproject.toml and CHANGELOG.md that agree or not."""

import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from service.versions import own_version
from tests.paths import ROOT

SCRIPT = ROOT / ".github" / "scripts" / "release_notes.py"

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.2.0] - 2026-12-24

### Added

- Something.

## [1.1.0] - 2026-12-01

- Something else.

[1.2.0]: https://example.com/1.2.0
"""


def _load() -> Any:
    specification = importlib.util.spec_from_file_location("release_notes", SCRIPT)
    assert specification
    assert specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


release_notes = _load()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def test_the_notes_are_the_section_of_the_tag(root: Path) -> None:
    assert release_notes.notes("v1.2.0", root) == "### Added\n\n- Something.\n"


def test_the_last_section_ends_before_the_links(root: Path) -> None:
    text = re.sub(r"## \[1\.1.*?(?=^\[)", "", CHANGELOG, flags=re.MULTILINE | re.DOTALL)
    (root / "CHANGELOG.md").write_text(text)
    assert release_notes.notes("v1.2.0", root) == "### Added\n\n- Something.\n"


@pytest.mark.parametrize(
    ("tag", "change", "message"),
    [
        ("1.2.0", ("", ""), "the tag '1.2.0' is not of the form v1.2.3"),
        ("v1.2.0-rc.1", ("", ""), "not of the form v1.2.3"),
        ("v1.1.0", ("", ""), "the tag is v1.1.0, and the version in pyproject.toml is 1.2.0"),
        ("v1.2.0", ("[1.2.0] -", "[1.3.0] -"), "the newest section of CHANGELOG.md is [1.3.0]"),
        ("v1.2.0", ("[Unreleased]\n", "[Unreleased]\n\n- New.\n"), "has entries below [Unreleased]"),
        ("v1.2.0", (" - 2026-12-24", ""), "has no date: write ## [1.2.0] - YYYY-MM-DD"),
        ("v1.2.0", ("### Added\n\n- Something.\n", ""), "the section [1.2.0] of CHANGELOG.md is empty"),
        ("v1.2.0", ("## [Unreleased]\n", ""), "must begin with ## [Unreleased]"),
    ],
)
def test_a_disagreement_is_named(root: Path, tag: str, change: tuple[str, str], message: str) -> None:
    (root / "CHANGELOG.md").write_text(CHANGELOG.replace(*change) if all(change[:1]) else CHANGELOG)
    with pytest.raises(release_notes.ReleaseError, match=re.escape(message)):
        release_notes.notes(tag, root)


def test_the_command_prints_one_line_and_fails() -> None:
    command = [sys.executable, str(SCRIPT), "v0.0.0"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (1, "", 1)
    assert own_version() in ran.stderr


def test_the_changelog_can_become_a_release(tmp_path: Path) -> None:
    """The step "Version and changelog" of docs/internals/releasing.md, on a copy."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = text.replace("## [Unreleased]\n", "## [Unreleased]\n\n## [99.0.0] - 2099-01-01\n", 1)
    (tmp_path / "CHANGELOG.md").write_text(released)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "99.0.0"\n')
    if unreleased := release_notes.SECTION.findall(text)[0][2].strip():
        assert release_notes.notes("v99.0.0", tmp_path) == unreleased + "\n"


def test_the_version_is_stated_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert own_version() == project["version"]
    released = [
        version for version, _, _ in release_notes.SECTION.findall((ROOT / "CHANGELOG.md").read_text("utf-8"))
    ]
    assert released[0] == "Unreleased"
    assert project["version"] == released[1] if len(released) > 1 else released == ["Unreleased"]
