"""The command line as a separate process: with pipes, or on a terminal."""

import os
import pty
import subprocess
import sys
import termios
from collections.abc import Sequence
from pathlib import Path

from tests.paths import ROOT

SERVICE = (sys.executable, "-m", "service")
LAUNCHER = str(ROOT / "face-model")

ESCAPE = "\x1b"
"""First character of a terminal's codes for colours and movements."""


def command(
    folder: Path, *arguments: str, program: Sequence[str] = SERVICE, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m service` in a folder, like /app of a container, with no other settings."""
    return subprocess.run(
        [*program, *arguments],
        cwd=folder,
        env=_environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def on_terminal(
    folder: Path, *arguments: str, piped: Sequence[str] = (), **settings: str
) -> tuple[int, str, str]:
    """Runs `python -m service` on a terminal; `piped` names streams that are pipes: stdout, stderr.

    Returns the exit status, the text on the terminal, and the text in the pipes.
    """
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 100))
    streams = {name: subprocess.PIPE if name in piped else writer for name in ("stdout", "stderr")}
    with subprocess.Popen(
        [*SERVICE, *arguments],
        cwd=folder,
        env={**_environment(settings), "TERM": "xterm"},
        stdin=writer,
        text=True,
        **streams,  # type: ignore[call-overload]
    ) as process:
        os.close(writer)
        output = b""
        while chunk := _read(reader):
            output += chunk
        texts = [stream.read() for stream in (process.stdout, process.stderr) if stream]
    os.close(reader)
    return process.returncode, output.decode(), "".join(texts)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **settings}


def _read(terminal: int) -> bytes:
    """Linux reports the end of a terminal as an error, not as zero bytes."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""
