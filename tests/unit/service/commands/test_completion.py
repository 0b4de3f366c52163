"""The command `completion`: its script completes in a real bash."""

import shutil
import subprocess
from pathlib import Path

import pytest

from service.commands.completion import SHELLS
from tests.command_line import command
from tests.paths import ROOT

COMPLETE = """
eval "$(./face-model completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_face_model_completion ./face-model
printf '%s\\n' "${COMPREPLY[@]}"
"""
"""Completes the last argument as bash does, and prints the proposals."""

pytestmark = pytest.mark.not_quick


@pytest.fixture
def launcher() -> None:
    if not (ROOT / ".venv" / "bin" / "python").exists():
        pytest.skip("the environment is not in .venv")
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")


@pytest.mark.usefixtures("launcher")
@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (["se"], {"serve", "settings"}),
        (["models", ""], {"list", "fetch", "verify", "add"}),
        (
            ["models", "list", "shape"],
            {"shape_predictor_5_face_landmarks", "shape_predictor_68_face_landmarks"},
        ),
        (["models", "fetch", "--model", ""], {"1", "2", "3", "4", "6"}),
        (["completion", "b"], {"bash"}),
        (["settings", "--m"], {"--markdown"}),
        (["check", "./READ"], {""}),  # bash completes files itself
    ],
)
def test_bash_completes(words: list[str], proposed: set[str]) -> None:
    done = subprocess.run(
        ["bash", "--norc", "-c", f"compopt() {{ :; }}\n{COMPLETE}", "bash", "face-model", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (set(done.stdout.splitlines()), done.stderr) == (proposed, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(tmp_path: Path, shell: str) -> None:
    done = command(tmp_path, "completion", shell)
    assert (done.returncode, done.stderr) == (0, "")
    assert "_FACE_MODEL_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


def test_an_unknown_shell_is_a_mistake_of_usage(tmp_path: Path) -> None:
    done = command(tmp_path, "completion", "tcsh")
    assert done.returncode == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
