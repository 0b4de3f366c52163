"""The README's generated tables, and their equality with the tables in the README."""

from pathlib import Path

import pytest

from benchmarks import commands
from benchmarks.harness.results import Key, Result, load
from benchmarks.report import readme
from tests.paths import ROOT

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


def test_one_line_per_comparison() -> None:
    made = readme.tables(_result())
    assert made.keys() == {"speed"}
    lines = made["speed"].splitlines()
    assert lines[0] == "A CPU, 2 cores; onnxruntime 1.32.0, dlib 20.0.1 without BLAS; 2026-01-02."
    assert (
        "| model 4, 1.2 MP, 2 callers: the service | 3.1 ± 0.5 | upstream's two processes of dlib | 0.2 ± 0 "
        "| **15.5×** ± 2.5 | 500 / 3,000 |"
    ) in lines


def test_one_line_per_model() -> None:
    result = _result()
    for stage, metric in readme.COMPARED:
        value = 3.3e-6 if metric == "confidence difference" else 142 if metric == "faces" else 0
        result.note(Key(section="parity", model=4, stage=stage, metric=metric), value)
    assert readme.tables(result)["parity"].splitlines()[-1] == "| 4 | 0 | 142 | 0 | 0 | 3.3e-06 | 0 | 0 | 0 |"


def test_writes_the_tables_between_their_marks(tmp_path: Path) -> None:
    file = tmp_path / "README.md"
    begin = readme.BEGIN.format("speed")
    file.write_text(f"before\n{begin}\nold\n{readme.END}\nafter\n")
    _result().save(tmp_path / "result.json")
    assert commands.table([str(tmp_path / "result.json"), "--into", str(file)]) == 0
    made = readme.tables(_result())["speed"]
    assert file.read_text() == f"before\n{begin}\n{made}\n{readme.END}\nafter\n"


def test_rejects_a_file_without_marks() -> None:
    with pytest.raises(readme.NoMarks):
        readme.replaced("a text", {"speed": "a table"})


def test_the_readme_has_the_tables_of_the_newest_committed_results() -> None:
    results = sorted((load(path) for path in RESULTS.glob("*.json")), key=lambda result: result.made)
    newest: dict[str, str] = {}
    for result in results:
        newest |= readme.tables(result)
    assert newest.keys() == {"speed", "parity"}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.replaced(text, newest) == text
