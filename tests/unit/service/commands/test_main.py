"""The command line: errors of the operator are reported before the large libraries are imported."""

import os
import subprocess
import sys

import pytest

from tests.paths import ROOT

PROGRAM = """
import sys
from service.__main__ import main
status = main(sys.argv[1:])
print(sorted({"cv2", "PIL", "numpy", "onnxruntime", "dlib", "uvicorn", "starlette"} & sys.modules.keys()))
sys.exit(status)
"""


@pytest.mark.parametrize(
    ("command", "settings", "message"),
    [
        ("serve", {"FACE_ENGINE": "onx"}, "FACE_ENGINE=onx is not possible: it has to be 'onnx' or 'dlib'\n"),
        ("check", {"FACE_ENGINE": "onx"}, "FACE_ENGINE=onx is not possible: it has to be 'onnx' or 'dlib'\n"),
        ("serve", {"API_KEY_FILE": "/nowhere/api.key"}, "There is no API key"),
        ("serve", {"API_KEY": "k", "FACE_HOST": "a..b"}, "Cannot listen on a..b"),
        ("preflight", {"API_KEY": "k", "FACE_HOST": "a..b"}, "Cannot listen on a..b"),
        ("occ", {"PORT": "0"}, "PORT=0 is not possible: it has to be at least 1\n"),
    ],
)
def test_reports_a_mistake_before_heavy_imports(command: str, settings: dict[str, str], message: str) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("FACE_", "API_"))
    }
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, command],
        cwd=ROOT,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout) == (1, "[]\n")
    assert run.stderr.startswith(message)


@pytest.mark.parametrize("command", [["--help"], ["settings"], ["settings", "--json"]])
def test_a_full_disk_is_one_line(command: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        run = subprocess.run(
            [sys.executable, "-m", "service", *command],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (run.returncode, run.stderr) == (1, "The output cannot be written: No space left on device.\n")
