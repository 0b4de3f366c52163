"""Checks of system calls that a sandbox around the service refuses, in processes that refuse them for real."""

import threading

import pytest

from service.sandbox import refused_calls
from tests.refusals import NO_THREADS, NO_WRITTEN_CODE, needs_mdwe
from tests.unit.service.sandbox.conftest import RunProgram

PRINTED = """
from service.sandbox import refused_calls
print(*refused_calls.refusals(), sep="\\n", end="")
"""

OLD_KERNEL = """
from service.sandbox import seccomp
seccomp.restrict([seccomp.Refusal("clone3", errno.ENOSYS)])
"""


def test_finds_nothing_refused_on_this_machine(run: RunProgram) -> None:
    assert run(PRINTED).stdout == ""


@pytest.mark.not_quick
@needs_mdwe
def test_names_what_refuses_executable_memory(run: RunProgram) -> None:
    (line,) = run(NO_WRITTEN_CODE + PRINTED).stdout.splitlines()
    assert line.startswith(
        "the system refuses executable memory (Permission denied), which the compiled loops need"
    )
    assert "MemoryDenyWriteExecute=yes" in line


@pytest.mark.not_quick
@pytest.mark.usefixtures("filters")
def test_names_the_filter_that_refuses_threads(run: RunProgram) -> None:
    (line,) = run(NO_THREADS + PRINTED).stdout.splitlines()
    assert line.startswith("the system refuses new threads")
    assert "20.10.10" in line
    assert "--security-opt seccomp=unconfined" in line


@pytest.mark.not_quick
@pytest.mark.usefixtures("filters")
def test_accepts_a_system_without_clone3(run: RunProgram) -> None:
    assert run(OLD_KERNEL + PRINTED).stdout == ""


def test_names_the_limits_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    (line,) = refused_calls.refusals()
    assert line.startswith("no thread can be started: raise the limit of processes")
