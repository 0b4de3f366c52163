"""Paths and links in the documentation exist."""

import re
from pathlib import Path

import pytest

from tests.paths import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PATH = re.compile(r"`([\w.-]+/[\w./-]*|[\w.-]+\.(?:md|py|sh|toml))`")
"""A path from the root in backquotes: with a slash behind its first name, or with a suffix."""
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")
"""The file of a relative link."""


def test_paths_in_the_architecture_exist() -> None:
    paths = PATH.findall((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert "service/web/" in paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_exist(page: Path) -> None:
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
