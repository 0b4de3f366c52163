"""Generated tables and picture, and their equality with those of the documentation."""

import re
import xml.etree.ElementTree as ET
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
        "| **15.5 ± 2.5×** | 500 / 3,000 |"
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


def test_writes_only_the_tables_that_have_marks(tmp_path: Path) -> None:
    file = tmp_path / "speed.md"
    begin = readme.BEGIN.format("summary")
    file.write_text(f"{begin}\nold\n{readme.END}\n")
    result = _result()
    for side, metric, value in (
        ("library", "photos per second", 3.0),
        ("dlib", "photos per second", 0.2),
        ("library against dlib", "times as fast", 15.0),
    ):
        key = Key(section="throughput", model=4, megapixels=0.3, callers=1, side=side, metric=metric)
        result.note(key, value, value, value)
    result.save(tmp_path / "result.json")
    assert commands.table([str(tmp_path / "result.json"), "--into", str(file)]) == 0
    text = file.read_text()
    assert "| 0.3 MP | 3 ± 0 | 0.2 ± 0 | **15 ± 0×** |" in text.splitlines()
    over_http = (
        "| 1.2 MP, 2 callers, over HTTP; dlib in two processes | 3.1 ± 0.5 | 0.2 ± 0 | **15.5 ± 2.5×** |"
    )
    assert over_http in text.splitlines()
    assert "upstream" not in text


def test_a_ratio_of_one_round_says_so() -> None:
    result = _result()
    for number, figure in enumerate(result.figures):
        result.figures[number] = figure.model_copy(update={"values": figure.values[:1]})
    (line,) = (line for line in readme.tables(result)["speed"].splitlines() if "**" in line)
    assert "**15× (one round, no spread)**" in line
    assert "±" not in line


@pytest.mark.parametrize("text", ["a text", readme.BEGIN.format("speed")])
def test_rejects_a_file_without_marks(text: str) -> None:
    with pytest.raises(readme.NoMarks):
        readme.replaced(text, {"speed": "a table"})


def test_a_picture_needs_a_comparison_by_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _result().save(tmp_path / "result.json")
    assert commands.picture([str(tmp_path / "result.json"), "--out", str(tmp_path / "speed.svg")]) == 2
    assert "no comparison with dlib by photo size for model 4" in capsys.readouterr().err


def _newest() -> tuple[dict[str, str], Result]:
    """Tables of the newest committed result that has their figures, and the newest result with a summary."""
    tables: dict[str, str] = {}
    speed = None
    for result in sorted((load(path) for path in RESULTS.glob("*.json")), key=lambda result: result.made):
        made = readme.tables(result)
        tables |= made
        speed = result if "summary" in made else speed
    assert speed is not None
    return tables, speed


def test_the_documentation_has_the_tables_of_the_newest_committed_results() -> None:
    newest, _ = _newest()
    assert newest.keys() == {"summary", "speed", "parity"}
    found: set[str] = set()
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        if names := readme.marked(text, newest):
            assert readme.replaced(text, newest) == text, path
            found.update(names)
    assert found == newest.keys()


def test_the_committed_picture_is_that_of_the_newest_committed_result() -> None:
    _, speed = _newest()
    assert (ROOT / "docs" / "pictures" / "speed.svg").read_text(encoding="utf-8") == readme.picture(speed)


def test_the_picture_is_small_opaque_and_has_text_in_any_font() -> None:
    made = readme.picture(_newest()[1])
    assert len(made.encode()) < 40_000
    assert "fill: #ffffff" in made
    assert "50.7 ± 4× as fast</text>" in made
    assert set(re.findall(r"font-family: ([^;\"]*)|font: [^;\"]*px ([^;\"]*)", made)) == {("sans-serif", "")}
    assert ET.fromstring(made).get("role") == "img"
