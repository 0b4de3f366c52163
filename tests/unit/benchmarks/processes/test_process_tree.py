"""CPU seconds and memory of process trees, read from /proc."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.processes.process_tree import (
    command_line,
    cpu_seconds,
    family,
    kill,
    peak_memory,
    resident_memory,
)
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_FORK = """
import os, signal
line, end = os.pipe()
child = os.fork()
if not child:
    {inside}
    os.write(end, b"1")
    signal.pause()
os.read(line, 1)
"""
"""Process with a child that runs `inside` and waits; `_running` kills it."""
_BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"


@contextmanager
def _running(code: str) -> Iterator[int]:
    """Process that has run this code and waits."""
    waiting = f"{code}\nprint('done', flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        members = family(process.pid)
        yield process.pid
        for member in members[1:]:
            os.kill(member, signal.SIGKILL)
        process.communicate("\n")


def test_cpu_seconds_are_counted() -> None:
    with _running(_BURN.format(seconds=0.4)) as process:
        assert 0.35 < cpu_seconds(process) < 5


@pytest.mark.not_quick
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


def test_memory_of_an_ended_process_raises() -> None:
    with subprocess.Popen([sys.executable, "-c", ""], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.read()  # returns at its exit: it is a zombie, or about to be one
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(ProcessLookupError):
            peak_memory(process.pid)


def test_resets_a_peak() -> None:
    with _running("memory = bytearray(100 << 20)\ndel memory") as process:
        assert peak_memory(process, forget=True) > 100
        assert peak_memory(process) < 100


def test_a_process_tree_has_all_descendants() -> None:
    code = _FORK.format(inside="grandchild = os.fork()")
    with _running(code) as process:
        first, child, grandchild = family(process)
        assert first == process
        assert Path(f"/proc/{child}/task/{child}/children").read_text().split() == [str(grandchild)]
        assert command_line(grandchild) == command_line(process)
        assert command_line(process)[:2] == (sys.executable, "-c")


def test_memory_of_one_process_is_its_resident_set() -> None:
    with _running("memory = bytearray(100 << 20)\ndel memory") as process:
        for measured, name in ((resident_memory, "VmRSS"), (peak_memory, "VmHWM")):
            (line,) = (
                line for line in Path(f"/proc/{process}/status").read_text().splitlines() if name in line
            )
            assert measured(process) == pytest.approx(int(line.split()[1]) / 1024, abs=1)


def test_memory_of_children_counts() -> None:
    code = _FORK.format(inside="memory = bytearray(100 << 20)")
    with _running(code) as process:
        assert 100 < resident_memory(process) < 150
        assert 100 < peak_memory(process) < 150


def test_resets_the_peak_of_children() -> None:
    with _running(_FORK.format(inside="memory = bytearray(100 << 20); del memory")) as process:
        assert peak_memory(process, forget=True) > 100
        assert peak_memory(process) < 100


@pytest.mark.parametrize(
    "memory",
    [
        "memory = bytearray(100 << 20)",
        "import mmap\nmemory = mmap.mmap(-1, 100 << 20)\nmemory.write(bytes(100 << 20))",
        "import mmap, os\nfile = os.memfd_create('pixels')\nos.write(file, bytes(100 << 20))\n"
        "memory = mmap.mmap(file, 100 << 20)\nsum(memory[::4096])",
    ],
    ids=["forked", "shared", "memfd"],
)
def test_pages_that_processes_share_count_once(memory: str) -> None:
    code = memory + _FORK.format(inside="sum(memory[::4096])")
    with _running(code) as process:
        assert 100 < resident_memory(process) < 150


def test_a_killed_tree_leaves_no_semaphore_behind() -> None:
    code = """
import multiprocessing, time
semaphore = multiprocessing.get_context("spawn").Semaphore()
print(semaphore._semlock.name, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        file = Path("/dev/shm", "sem." + process.stdout.readline().strip().removeprefix("/"))
        assert file.exists()
        # While it is being started, it does not have its own command line yet.
        eventually(
            "a tracker",
            lambda: any("resource_tracker" in " ".join(command_line(m)) for m in family(process.pid)),
        )
        kill(process.pid)
        assert process.wait() == -signal.SIGKILL
    eventually("no semaphore", lambda: not file.exists(), seconds=10)
