"""Each line of the tables of attackers names tests, and each of them exists."""

import ast
from functools import cache

import pytest

from tests import documentation
from tests.documentation import DOCS
from tests.paths import ROOT

PAGE = documentation.text_of(DOCS / "reference" / "privacy-and-security.md")
ATTACKERS = (
    "Network access, no key",
    "A key",
    "A hostile picture",
    "A hostile weights file",
    "On the path",
    "Logs or the disk",
)


@cache
def _tests_in(file: str) -> frozenset[str]:
    """Names of the test functions of a file; empty if there is no file."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def unknown_tests(cell: str) -> list[str]:
    """Tests in a cell, as path::name, that do not exist."""
    named = [code.partition("::") for code in documentation.inline_code(cell)]
    return [f"{file}::{name}" for file, _, name in named if name not in _tests_in(file)]


@pytest.mark.parametrize("attacker", ATTACKERS)
def test_each_line_names_tests_that_exist(attacker: str) -> None:
    table = documentation.rows(PAGE, attacker)
    assert len(table) >= 5
    for what, _, tests in table:
        assert documentation.inline_code(tests) != [], f"no test for: {what}"
        assert unknown_tests(tests) == []


@pytest.mark.parametrize(
    "planted",
    [
        "`tests/unit/docs/test_security.py::test_nothing`",
        "`tests/unit/docs/test_nothing.py::test_each_line_names_tests_that_exist`",
        "`tests/unit/docs/test_security.py`",
    ],
)
def test_a_planted_test_that_does_not_exist_is_found(planted: str) -> None:
    sound = "`tests/unit/docs/test_security.py::test_each_line_names_tests_that_exist`"
    assert unknown_tests(sound) == []
    assert len(unknown_tests(f"{sound}, {planted}")) == 1
