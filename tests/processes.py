"""State of other processes as Linux reports it below /proc (proc(5)), and commands that restrict a process."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.processes.running import Service
from tests.waiting import eventually

_ZOMBIE = "Z"


def state(process: int) -> str:
    """State letter of a process, "Z" for a zombie; empty where there is no such process."""
    try:
        status = Path("/proc", str(process), "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return status.rpartition(") ")[2][0]


def is_running(process: int) -> bool:
    """True if the process exists and is no zombie."""
    return state(process) not in ("", _ZOMBIE)


def status_number(process: int, name: str) -> int:
    """A number of /proc/PID/status; KiB if it is one of memory."""
    lines = Path("/proc", str(process), "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def handles_signal(process: int, number: int) -> bool:
    """True if the process has a handler for a signal (SigCgt)."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path("/proc", str(process), "status").read_text(), re.MULTILINE)
    assert caught is not None
    return bool(int(caught[1], 16) >> (number - 1) & 1)


def open_files(process: int) -> int:
    """Number of open file descriptors."""
    return len(list(Path("/proc", str(process), "fd").iterdir()))


def bytes_written(process: int) -> int:
    """Bytes written to disk so far (write_bytes), 0 for a process that has ended."""
    try:
        lines = Path("/proc", str(process), "io").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("write_bytes:"))


def worker_of(service: Service) -> int:
    """Process id of the service's worker, once it has one."""
    web = found = service.process.pid

    def is_found() -> bool:
        nonlocal found
        found = service.worker_pid
        return found != web

    eventually("a worker", is_found)
    return found


def restricted_by(*command: str) -> tuple[str, ...]:
    """A command that runs another one with fewer rights or resources. Skips the test where the system refuses it."""
    try:
        tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(f"{command[0]} is not installed")
    if tried.returncode:
        pytest.skip(f"the system refuses {command[0]}: {tried.stderr.strip()}")
    return command


def with_tmpfs(folder: Path, options: str) -> tuple[str, ...]:
    """A command that runs another one with a tmpfs on `folder`, such as of `size=1m`. Skips as `restricted_by`."""
    account = () if os.geteuid() == 0 else ("--map-root-user",)
    mounted = 'mount -t tmpfs -o "$0" tmpfs "$1" && shift && exec "$@"'
    return restricted_by("unshare", "--mount", *account, "sh", "-c", mounted, options, str(folder))
