"""Programs that restrict themselves, each in a separate process, since restrictions cannot be undone."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.sandbox import landlock, seccomp
from tests.paths import ROOT

PATIENCE = 60
"""Timeout of a program in seconds; no test depends on the speed of the machine."""

PRELUDE = """
import errno, os, socket, sys
from pathlib import Path
from service.sandbox import *

def error_of(call, *arguments, **named):
    "Name of the error that a call fails with, None where it succeeds."
    try:
        call(*arguments, **named)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None

def in_child(call):
    "Exit status of a forked child that runs a call; 0: no exception."
    if (child := os.fork()) == 0:
        try:
            call()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""

RunProgram = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run() -> RunProgram:
    """`run(program, argument...)`: the program after PRELUDE; an assertion in it fails the test."""

    def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-c", PRELUDE + program, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="session")
def abi() -> int:
    """Version of the kernel's Landlock; the test is skipped where it has none."""
    try:
        return landlock.offered_abi()
    except landlock.NotOffered as reason:
        pytest.skip(f"this kernel has no Landlock: {reason}")


@pytest.fixture(scope="session")
def filters(run: RunProgram) -> None:
    """The test is skipped where no seccomp filter can be set."""
    done = run("print(restrict_worker([]).seccomp)")
    if done.stdout != "True\n":
        pytest.skip(f"no filter of system calls here: {seccomp.LIBRARY} or the kernel's part is missing")
