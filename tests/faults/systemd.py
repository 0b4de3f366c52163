"""systemd as the first process of namespaces of its own, with the units of deploy/systemd and no others."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.calling import KEY
from tests.paths import ROOT
from tests.waiting import eventually

SYSTEMD = Path("/lib/systemd/systemd")
INIT = Path(__file__).with_name("systemd_init.sh")
UNITS = ROOT / "deploy" / "systemd"
IN_A_CGROUP = """
mount -t cgroup2 cgroup2 "$1/cgroup"
mkdir "$1/cgroup/face-model-test-$$"
echo $$ > "$1/cgroup/face-model-test-$$/cgroup.procs"
exec unshare --cgroup --mount --uts --ipc --pid --fork --kill-child bash "$2" "$1" "$3"
"""
WITHOUT_CGROUPS = """
mount -t cgroup2 cgroup2 "$1/cgroup"
find "$1/cgroup/face-model-test-$2" -depth -type d -exec rmdir {} +
"""
DROP_IN = """
[Service]
# The tests' Python and store may be in a home directory, and they alone are shown.
ProtectHome=tmpfs
BindReadOnlyPaths={folders}
ExecStart=
ExecStart={executable} -m service serve
"""

REQUESTED = "SYSTEMD_TEST"
"""Variable that requests these tests: a second systemd on a machine is unexpected otherwise."""

needs_systemd = pytest.mark.skipif(
    not os.environ.get(REQUESTED)
    or os.geteuid() != 0
    or not SYSTEMD.exists()
    or shutil.which("unshare") is None
    or ROOT.is_relative_to("/tmp"),
    reason="systemd in namespaces: with SYSTEMD_TEST=1, as root, with systemd and unshare(1), from outside of /tmp, "
    "which PrivateTmp hides",
)


class Manager:
    """A running systemd, in whose namespaces commands run."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def run(self, *command: str) -> str:
        """Standard output of a command; fails the test if the command fails."""
        enter = ["nsenter", "-t", str(self._pid), "--mount", "--pid", "--cgroup", "--"]
        done = subprocess.run([*enter, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"{command}: {done.stderr}{self.journal() if command[0] != 'journalctl' else ''}"
        )
        return done.stdout

    def journal(self) -> str:
        """Log of the service."""
        return self.run("journalctl", "--no-pager", "--output=cat", "--unit=face-model")

    def main_process(self) -> int:
        """Process id of the service, in the namespace of systemd."""
        return int(self.run("systemctl", "show", "--property=MainPID", "--value", "face-model.service"))


@contextmanager
def systemd(folder: Path, port: int, settings: Mapping[str, str], *drop_ins: str) -> Iterator[Manager]:
    """systemd with both units on `port` of 127.0.0.1, `settings` in face-model.env, and drop-ins of deploy/systemd.

    The units are as deployed but for the port and the place of the tests' Python.
    """
    _write(folder, port, settings, drop_ins)
    (folder / "cgroup").mkdir()
    arguments = [str(folder), str(INIT), str(ROOT)]
    command = ["unshare", "--mount", "--propagation=private", "bash", "-c", IN_A_CGROUP, "bash", *arguments]
    with (folder / "console").open("wb") as console:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=console)
    try:
        eventually("systemd", lambda: process.poll() is not None or _init_of(process.pid))
        manager = Manager(_init_of(process.pid) or pytest.fail((folder / "console").read_text()))
        manager.run("systemctl", "start", "systemd-journald.service")
        yield manager
    finally:
        process.kill()
        process.wait()
        _remove_cgroups(folder, process.pid)


def _write(folder: Path, port: int, settings: Mapping[str, str], drop_ins: tuple[str, ...]) -> None:
    units = folder / "units"
    units.mkdir()
    for unit in UNITS.glob("face-model.*"):
        shutil.copy(unit, units)
    service, listening = units / "face-model.service.d", units / "face-model.socket.d"
    service.mkdir()
    listening.mkdir()
    for name in drop_ins:
        shutil.copy(UNITS / name, service)
    environment = Path(sys.prefix).resolve()
    folders = " ".join(map(str, (sys.base_prefix, environment, settings["FACE_STORE"])))
    (service / "test.conf").write_text(
        DROP_IN.format(folders=folders, executable=environment / "bin" / "python")
    )
    (listening / "test.conf").write_text(f"[Socket]\nListenStream=\nListenStream=127.0.0.1:{port}\n")
    (folder / "api.key").write_text(f"{KEY}\n")
    given = {"API_KEY_FILE": "/etc/face-model/api.key", **settings}
    (folder / "face-model.env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))


def _init_of(unshare: int) -> int | None:
    """Process id of systemd, once it answers; `unshare` is its parent."""
    children = Path(f"/proc/{unshare}/task/{unshare}/children")
    pids = children.read_text().split() if children.exists() else []
    if not pids or Path(f"/proc/{pids[0]}/comm").read_text().strip() != "systemd":
        return None
    return int(pids[0]) if Path(f"/proc/{pids[0]}/root/run/systemd/private").exists() else None


def _remove_cgroups(folder: Path, unshare: int) -> None:
    arguments = ["bash", str(folder), str(unshare)]
    command = ["unshare", "--mount", "--propagation=private", "bash", "-c", WITHOUT_CGROUPS, *arguments]
    eventually(
        "the end of all processes", lambda: subprocess.run(command, capture_output=True).returncode == 0
    )
