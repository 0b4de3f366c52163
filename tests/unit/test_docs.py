"""Paths, links, modules and make targets in the documentation exist, and README's program runs."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w.-]+\.(?:md|py|sh|toml))`")
"""A path from the root in backquotes: with a slash behind its first name, or with a suffix."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
"""The file of a relative link."""
NO_FILES = frozenset(
    {"image/jpeg", "image/png", "benchmark/report.html", "benchmark/result.json", "fuzz-findings/"}
)
"""Media types, and outputs of a command."""
MODULE = re.compile(r"python -m ([\w.]+)")
TARGET = re.compile(r"(?:^\s*|`)(?:[A-Z_]+=\S+ )*(?:sudo -u \S+ )?make ([a-z-]+)", re.MULTILINE)
"""The target of a command in backquotes or at the start of a line."""

PROGRAM = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_patterns_find_paths_modules_and_targets() -> None:
    text = "`service/web/`, `ARGS=--full make bench`, `.venv/bin/python -m service check`\n  sudo -u x make convert"
    assert PATH.findall(text) == ["service/web/"]
    assert MODULE.findall(text) == ["service"]
    assert TARGET.findall(text) == ["bench", "convert"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    paths = PATH.findall(page.read_text(encoding="utf-8"))
    assert [path for path in paths if path not in NO_FILES and not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_modules_of_commands_exist(page: Path) -> None:
    modules = MODULE.findall(page.read_text(encoding="utf-8"))
    assert [module for module in modules if find_spec(module) is None] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_exist(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert [
        target for target in TARGET.findall(page.read_text(encoding="utf-8")) if target not in targets
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_exist(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_program_in_readme_prints_a_face(store: Path, portrait: bytes, tmp_path: Path) -> None:
    (program,) = PROGRAM.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (tmp_path / "program.py").write_text(program)
    (tmp_path / "photo.jpg").write_bytes(portrait)
    (tmp_path / "models").symlink_to(store.resolve())
    printed = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.count("Face(") == 1
