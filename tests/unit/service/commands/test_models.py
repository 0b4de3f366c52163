"""The command `models`, on a store of small files; the store itself: tests/unit/model_store."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS, TAGUCHI_RESNET
from service.commands import main, models
from tests.command_line import command


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(models.command, arguments, standalone_mode=False)


def _states(*arguments: str) -> dict[str, Any]:
    return {row["name"]: row["state"] for row in json.loads(_run(*arguments, "--json").stdout)}


@pytest.mark.not_quick
def test_fetch_then_list_then_verify(store: Path) -> None:
    assert _run("list").return_value == 0, "a missing weight of another model is no fault"
    assert _run("verify").return_value == 1
    fetched = _run("fetch", "--model", "3", "--from", str(store / "weights"))
    assert (fetched.return_value, fetched.stderr) == (0, "")
    assert fetched.stdout.startswith("2 weights verified in ")
    verified = dict.fromkeys((FIVE_POINTS, DLIB_RESNET), "verified")
    assert _states("list", "--model", "3") == verified
    assert _states("verify", FIVE_POINTS, DLIB_RESNET) == verified
    assert _run("list", "--model", "3").return_value == 0
    assert _run("list", "--model", "3", "--model", "4").return_value == 1


@pytest.mark.not_quick
def test_verify_fails_on_a_changed_file(store: Path, root: Path) -> None:
    _run("fetch", FIVE_POINTS, "--from", str(store / "weights"))
    with (root / "weights" / f"{FIVE_POINTS}.dat").open("ab") as file:
        file.write(b"!")
    done = _run("verify", FIVE_POINTS)
    assert done.return_value == 1
    assert "has the wrong content" in done.stderr
    assert done.stdout.splitlines()[1].startswith("corrupt\t-\t")


def test_a_weight_without_a_source_is_a_fault_only_if_it_is_named(tmp_path: Path) -> None:
    listed = _run("list", TAGUCHI_RESNET)
    assert listed.return_value == 1
    assert listed.stdout.splitlines()[-1].endswith(f"model_store add {TAGUCHI_RESNET}.dat.bz2")
    file = tmp_path / f"{TAGUCHI_RESNET}.dat"
    file.write_bytes(b"weights")
    added = _run("add", str(file))
    assert added.return_value == 0
    assert "recorded on this machine, not from the catalogue" in added.stdout
    assert _run("list", TAGUCHI_RESNET).return_value == 0


def test_faults_are_a_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"{CNN_DETECTOR}.dat").write_bytes(b"other")
    assert main.main(["models", "add", str(tmp_path / f"{CNN_DETECTOR}.dat")]) == 1
    assert main.main(["models", "fetch", TAGUCHI_RESNET]) == 1
    refused, fetched = capsys.readouterr().err.splitlines()
    assert f"is not {CNN_DETECTOR}.dat: its sha256 is" in refused
    assert fetched.startswith(f"{TAGUCHI_RESNET}: ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["list", "--model", "5"], "'5' is not one of '1', '2', '3', '4', '6'"),
        (["verify", "unknown"], "'unknown' is not one of"),
        (["fetch", "--from", "/nowhere"], "Directory '/nowhere' does not exist"),
        (["add", "/nowhere.dat"], "File '/nowhere.dat' does not exist"),
        (["add"], "Missing argument 'FILE'"),
    ],
)
def test_impossible_arguments_are_mistakes_of_usage(
    arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["models", *arguments]) == 2
    assert part in capsys.readouterr().err


@pytest.mark.not_quick
def test_json_of_a_process_parses(tmp_path: Path) -> None:
    done = command(tmp_path, "models", "verify", "--json", FACE_STORE=str(tmp_path))
    assert done.returncode == 1
    assert {row["state"] for row in json.loads(done.stdout)} == {"missing"}
