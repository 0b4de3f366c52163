"""The count of disk writes includes files of all processes of a tree, and no memfd."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.disk_writes import disk_writes

FILE = 'open("file", "w").write("x")'
DELETED = f'import os; {FILE}; os.remove("file")'
MEMORY = 'import os; os.write(os.memfd_create("memory"), bytes(100_000))'

RUNNING = ('"$@"; :', "input(); {}; print(flush=True); input()")
ENDED = ('read start; "$@"; echo; read end', "{}")
"""A shell script whose child writes between two lines of input, and the child's program."""


def file_system(folder: Path) -> str:
    """The type of the file system that a folder is on, as stat(1) names it."""
    command = ["stat", "--file-system", "--format=%T", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("writing", "counts"), [(FILE, True), (DELETED, True), (MEMORY, False)], ids=["file", "deleted", "memfd"]
)
@pytest.mark.parametrize(("script", "program"), [RUNNING, ENDED], ids=["running", "ended"])
def test_counts_writes_of_children(
    tmp_path: Path, script: str, program: str, writing: str, counts: bool
) -> None:
    if file_system(tmp_path) == "tmpfs":
        pytest.skip(f"{tmp_path} is on no disk")
    child = [sys.executable, "-I", "-B", "-c", program.format(writing)]
    with subprocess.Popen(
        ["sh", "-c", script, "sh", *child],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        before = disk_writes(shell.pid)
        print(file=shell.stdin, flush=True)
        assert shell.stdout.readline() == "\n"
        assert (disk_writes(shell.pid) != before) is counts
        print(file=shell.stdin, flush=True)
    assert shell.returncode == 0
