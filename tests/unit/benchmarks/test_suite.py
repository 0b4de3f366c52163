"""A run from the command line: files, exit status, and figures kept after a failure."""

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks import suite
from benchmarks.__main__ import main
from benchmarks.harness.options import parse
from benchmarks.harness.results import Key, Result, load
from benchmarks.harness.steps import Step
from benchmarks.roofline import part as roofline
from service.recognition.contract import EngineError
from tests.paths import ROOT

PHOTOS = ("obama2.jpg", "biden.jpg", "astronaut.png", "chelsea.png")


@pytest.fixture(scope="module")
def folder(photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("photos")
    for name in PHOTOS:
        shutil.copy(photos[name], made / name)
    (made / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (made / "pairs.csv").write_text("file_a,file_b,same\nobama2.jpg,biden.jpg,0\n")
    return made


def _command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "benchmarks", *map(str, arguments)]


def _run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        _command(*arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def done(folder: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Output folder of a finished parity run."""
    out = tmp_path_factory.mktemp("out")
    run = _run(folder, "--only", "parity", "--store", store, "--out", out, "--record", out / "answers")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "not compared, undecodable: damaged.jpg" in run.stderr
    assert "Not judged: is it accurate?" in run.stdout
    return out


@pytest.mark.slow
def test_a_run_writes_a_result_and_a_report(done: Path) -> None:
    result = load(done / "result.json")
    assert result.complete
    assert result.status == "green"
    faces = {
        figure.key.model: figure.median for figure in result.find(section="parity", stage="", metric="faces")
    }
    assert faces.keys() == {1, 2, 3, 4}
    assert all(number >= 3 for number in faces.values())
    assert {verdict.status for verdict in result.verdicts if verdict.question == "accurate"} == {"abstains"}
    HTMLParser().feed((done / "report.html").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_photo_is_computed_in_float32_beside_the_scan(
    folder: Path, store: Path, tmp_path: Path
) -> None:
    options = ("--only", "parity", "--models", 1, "--store", store, "--out", tmp_path)
    run = _run(folder, *options, FACE_PROVIDERS="cpu")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "green     scan in int8: no score above the threshold missed" in run.stdout
    figures = load(tmp_path / "result.json").find(section="parity", model=1, stage="scan")
    scan = {figure.key.metric: figure.value for figure in figures}
    assert scan["checked"] == scan["photos"] - scan["crowded"] - scan["deviating"] >= 3
    assert 0 < scan["share rescored"] < 1
    assert scan["stopped"] == 0


@pytest.mark.slow
def test_a_result_names_no_photo_and_no_folder(done: Path, folder: Path) -> None:
    text = (done / "result.json").read_text(encoding="utf-8")
    assert not any(name in text for name in (*PHOTOS, "damaged", str(folder), str(done)))


@pytest.mark.slow
def test_recorded_answers_are_a_baseline(done: Path, folder: Path, store: Path, tmp_path: Path) -> None:
    recorded = done / "answers"
    assert recorded.stat().st_mode & 0o077 == 0
    run = _run(
        *(
            folder,
            "--only",
            "parity",
            "--models",
            3,
            "--store",
            store,
            "--out",
            tmp_path,
            "--against",
            recorded,
        )
    )
    assert run.returncode == 0, run.stdout + run.stderr
    result = load(tmp_path / "result.json")
    (differing,) = result.find(section="parity", model=3, stage="", metric="faces differing")
    assert differing.median == 0
    assert (
        result.facts["run"]["command"]
        == "python -m benchmarks PHOTOS --quick --only parity --models 3 --against FILE"
    )


@pytest.mark.slow
def test_a_baseline_without_the_photos_is_red(
    done: Path, photos: dict[str, Path], store: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    shutil.copy(photos["obama.jpg"], tmp_path / "photos")
    run = _run(
        *(tmp_path / "photos", "--only", "parity", "--models", 3, "--store", store, "--out", tmp_path),
        *("--against", done / "answers"),
    )
    assert run.returncode == 1
    assert "1 photos have no answers in the baseline" in run.stderr
    assert load(tmp_path / "result.json").status == "red"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (KeyboardInterrupt(), 130, "Incomplete"),
        (EngineError("the device went away"), 1, "the device went away"),
        (ZeroDivisionError(), 1, "Traceback"),
    ],
)
def test_keeps_the_figures_measured_before_a_failure(
    error: BaseException,
    status: int,
    message: str,
    folder: Path,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first step records a figure, and the second one fails."""

    def steps(rounds: int, store: Path, result: Result, stack: ExitStack) -> list[Step]:
        first = partial(result.note, Key(section="roofline", metric="matrix product"), 100.0)
        return [Step("the first", 1.0, first), Step("the next", 1.0, fail)]

    def fail() -> None:
        raise error

    monkeypatch.setattr(roofline, "steps", steps)
    arguments = [str(folder), "--only", "roofline", "--store", str(store), "--out", str(tmp_path)]
    assert suite.main(arguments) == status
    printed = capsys.readouterr()
    assert message in printed.out + printed.err
    result = load(tmp_path / "result.json")
    assert not result.complete
    assert result.status == "red"
    assert len(list(result.find(metric="matrix product"))) == 1
    assert "do not switch" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/absent"], "is not a folder"),
        (["--against", "/absent.gz", "--only", "parity"], "holds no recorded answers"),
        (["--candidate", "http://127.0.0.1:9", "--only", "parity"], "does not name a model"),
        (["--threads", "4096"], "cores were requested"),
    ],
)
def test_an_invalid_run_ends_with_a_one_line_error(
    arguments: list[str],
    message: str,
    photos: dict[str, Path],
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del photos  # fills the cache, so that the run does not download them
    monkeypatch.setenv("API_KEY", "key")
    assert suite.main([*arguments, "--store", str(store), "--out", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Traceback" not in printed
    assert list(tmp_path.iterdir()) == []


def test_requires_the_key_of_a_running_service(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--beside", "http://localhost", "--key-file", str(tmp_path / "absent")])
    assert "API key of the service is missing" in capsys.readouterr().err


def test_help_names_every_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    epilog = capsys.readouterr().out.partition("exit status:\n")[2]
    stated = [int(status) for status in re.findall(r"^  (\d+) +\S", epilog, re.MULTILINE)]
    assert stated == [0, 1, 2, 3, 130]


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--help"])
    listed = re.findall(r"^  ([a-z]+) +[A-Z]+", capsys.readouterr().out, re.MULTILINE)
    assert listed == ["compare", "history", "report", "table", "picture"]
    for name in listed:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0
        assert f"python -m benchmarks {name}" in capsys.readouterr().out
