"""Progress: on a terminal only."""

from pathlib import Path

import pytest

from service.commands.shared import progress
from tests.command_line import ESCAPE, command, on_terminal

HIDE_CURSOR = f"{ESCAPE}[?25l"


def test_a_pipe_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.steps("first") as show, progress.photos(2) as advance, progress.downloads() as download:
        show("second")
        advance()
        download("file", 1, 2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.not_quick
def test_check_shows_its_steps_on_a_terminal(store: Path, tmp_path: Path) -> None:
    settings = {"FACE_STORE": str(store.resolve()), "FACE_MODEL": "3"}
    status, shown, printed = on_terminal(tmp_path, "check", piped=["stdout"], **settings)
    assert status == 0
    assert "loading the model" in shown
    assert HIDE_CURSOR not in shown
    assert printed.splitlines()[-1].startswith("OK: model 3 computes on CPU: ")
    assert ESCAPE not in printed
    done = command(tmp_path, "check", **settings)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.not_quick
def test_analyse_shows_a_bar_beside_a_pipe_of_lines(store: Path, photos: dict[str, Path]) -> None:
    folder = photos["obama2.jpg"].parent
    settings = {"FACE_STORE": str(store.resolve()), "FACE_MODEL": "3"}
    names = ["obama2.jpg", "astronaut.png"]
    status, shown, printed = on_terminal(folder, "analyse", *names, piped=["stdout"], **settings)
    assert status == 0
    assert "2/2" in shown
    assert HIDE_CURSOR not in shown
    assert len(printed.splitlines()) == 2
    assert ESCAPE not in printed
    _, both, _ = on_terminal(folder, "analyse", *names, **settings)
    assert ESCAPE not in both  # the lines are the progress
