"""CPU seconds and memory of processes, read from outside."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from benchmarks.processes import cpu_seconds, peak_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


@contextmanager
def _running(code: str) -> Iterator[int]:
    """A process that has run this and waits."""
    waiting = f"{code}\nprint('done', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        yield process.pid
        process.communicate("\n")


def test_cpu_seconds_are_counted() -> None:
    with _running(_BURN.format(seconds=0.4)) as process:
        assert 0.35 < cpu_seconds(process) < 5


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "running"])
def test_children_count_too(ended: bool) -> None:
    burn = _BURN.format(seconds=0.4) + ("" if ended else "print(1, flush=True)\ninput()")
    wait = "child.wait()" if ended else "child.stdout.readline()"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {burn!r}], stdin=-1, stdout=-1)\n{wait}"
    )
    with _running(code) as process:
        assert cpu_seconds(process) > 0.35


def test_a_process_that_has_ended_has_no_memory() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()  # its end: then it is a zombie, or about to be one
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError):
            peak_memory(process.pid)


def test_a_peak_can_be_forgotten() -> None:
    with _running("memory = bytearray(100 << 20)\ndel memory") as process:
        assert peak_memory(process, forget=True) > 100
        assert peak_memory(process) < 100
