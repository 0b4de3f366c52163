"""`python -m model_store` as a user types it."""

import os
import pty
import shutil
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from model_store.__main__ import main
from model_store.command import command
from tests.unit.model_store.conftest import FIVE_POINTS

REPOSITORY = Path(__file__).parents[3]
DETECTOR = "mmod_human_face_detector"
SIXTY_EIGHT = "shape_predictor_68_face_landmarks"
TAGUCHI = "taguchi_face_recognition_resnet_model_v1"


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
    assert f"missing   {TAGUCHI}" in listed
    assert "whose licence excludes commercial use" in listed


def test_a_model_stands_for_its_weights(
    weights: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "--model", "3", "--from", str(weights)]) == 0

    assert {path.stem for path in (root / "weights").glob("*.dat")} == {
        FIVE_POINTS,
        "dlib_face_recognition_resnet_model_v1",
    }
    assert main(["list", "--model", "3"]) == 0
    assert main(["list", "--model", "1"]) == 1
    assert "commercial" not in capsys.readouterr().err


def test_choosing_68_points_prints_their_licence(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", SIXTY_EIGHT, "--from", str(weights)]) == 0

    assert f"{SIXTY_EIGHT}: not for commercial use" in capsys.readouterr().err


def test_model_6_says_what_to_do_and_still_gets_the_rest(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", "--model", "6", "--from", str(weights)]) == 1

    said = capsys.readouterr().err
    assert f"error: {TAGUCHI}: " in said
    assert f"python -m model_store add {TAGUCHI}.dat.bz2" in said
    assert main(["list", DETECTOR, FIVE_POINTS]) == 0
    assert main(["list", TAGUCHI]) == 1


def test_verify_fails_on_a_changed_file(
    weights: Path, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["fetch", DETECTOR, FIVE_POINTS, "--from", str(weights)])
    with (root / "weights" / f"{FIVE_POINTS}.dat").open("ab") as file:
        file.write(b"!")
    capsys.readouterr()

    assert main(["verify", DETECTOR]) == 0
    assert main(["verify", f"{FIVE_POINTS}.dat"]) == 1
    assert main(["verify", f"{FIVE_POINTS}.dat", "--model", "3"]) == 1
    assert f"run: {command('model_store fetch')} {FIVE_POINTS}".lower() in capsys.readouterr().err.lower()


def test_add_says_what_it_took(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(shutil.copy(weights / f"{DETECTOR}.dat", tmp_path / f"{TAGUCHI}.dat"))

    assert main(["add", str(file)]) == 0

    assert "recorded on this machine, not from the catalogue" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["list", "nonesuch"], "no weight is called 'nonesuch'"),
        (["fetch", "nonesuch"], "no weight is called 'nonesuch'"),
        (["add", "nonesuch.dat"], "no weight is called 'nonesuch'"),
        (["add", f"{DETECTOR}.dat"], "No such file or directory"),
    ],
)
def test_an_error_is_one_line_and_no_traceback(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "model_store", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, "FACE_STORE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_that_cannot_be_written_is_one_line(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FACE_STORE", str(tmp_path / "file"))

    assert main(["fetch", DETECTOR, "--from", str(weights)]) == 1

    assert "Not a directory" in capsys.readouterr().err


def test_a_terminal_sees_progress(tmp_path: Path, weights: Path) -> None:
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 120))
    command = [sys.executable, "-m", "model_store", "fetch", DETECTOR, "--from", str(weights)]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env={**os.environ, "FACE_STORE": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=writer,
    )
    os.close(writer)
    said = b""
    while chunk := _read(reader):
        said += chunk
    os.close(reader)

    assert process.wait() == 0
    assert DETECTOR.encode() in said
    assert b"100%" in said


def _read(terminal: int) -> bytes:
    """Linux reports the end of a terminal as an error, not as no bytes."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
