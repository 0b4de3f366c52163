"""The README's table is made, and the README has the one that is made of the committed result."""

from pathlib import Path

import pytest

from benchmarks import commands, readme
from benchmarks.results import Key, Result, load
from tests.conftest import ROOT

RESULTS = ROOT / "benchmarks" / "history"


def _result() -> Result:
    result = Result(made="2026-01-02T03:04:05+00:00", plan="full", complete=True)
    result.facts = {
        "machine": {"processor": "A CPU", "cores": 2},
        "versions": {"onnxruntime": "1.32.0", "dlib": "20.0.1", "dlib's BLAS": "none"},
    }
    for side, metric, values in (
        ("service", "photos per second", (3.0, 3.1, 3.2)),
        ("upstream", "photos per second", (0.2, 0.2, 0.2)),
        ("service", "peak memory", (500.0,)),
        ("upstream", "peak memory", (3000.0,)),
        ("service against upstream", "times as fast", (15.0, 15.5, 16.0)),
    ):
        key = Key(section="throughput", model=4, megapixels=1.2, callers=2, side=side, metric=metric)
        result.note(key, *values)
    return result


def test_a_comparison_is_a_line() -> None:
    made = readme.table(_result()).splitlines()
    assert made[0].startswith("A CPU, 2 cores; onnxruntime 1.32.0, dlib 20.0.1 without BLAS;")
    assert made[-1] == (
        "| model 4, 1.2 MP, 2 callers: the service | 3.1 ± 0.5 | upstream's way: two processes of dlib | 0.2 ± 0 "
        "| **15.5×** ± 2.5 | 500 / 3,000 MiB |"
    )


def test_the_table_is_put_between_its_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    _result().save(tmp_path / "result.json")
    assert commands.table([str(tmp_path / "result.json"), "--into", str(file)]) == 0
    text = file.read_text()
    assert text == f"before\n{readme.BEGIN}\n{readme.table(_result())}\n{readme.END}\nafter\n"


def test_a_file_without_marks_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(readme.NoMarks):
        readme.replaced("a text", "a table")


def test_the_readme_has_the_table_of_the_committed_result() -> None:
    newest = max((load(path) for path in RESULTS.glob("*.json")), key=lambda result: result.made)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.replaced(text, readme.table(newest)) == text
