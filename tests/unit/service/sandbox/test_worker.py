"""Sandbox of the worker: files change in its folders alone, no connection opens, and dlib's processes start."""

import subprocess
import sys
from pathlib import Path

import pytest

from service.recognition.engines import dlib
from service.sandbox import landlock
from tests.paths import ROOT
from tests.unit.service.sandbox.conftest import PATIENCE, PRELUDE, RunProgram

pytestmark = pytest.mark.not_quick


@pytest.mark.usefixtures("filters")
def test_every_offered_restriction_is_in_force(run: RunProgram, abi: int) -> None:
    done = run(
        """
descriptors = os.listdir("/proc/self/fd")
active = restrict_worker([])
assert os.listdir("/proc/self/fd") == descriptors
assert active == Restrictions(no_new_privileges=True, landlock=int(sys.argv[1]), seccomp=True), active
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines())
assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
""",
        str(abi),
    )
    assert not done.stderr


CHANGES = """
kept, other = map(Path, sys.argv[1:])

def changes(folder):
    "Errors of all ways to change files in a folder that has a file and an empty folder."
    file, inner, new = folder / "file", folder / "inner", folder / "new"
    return {
        "open to append": error_of(file.open, "ab"),
        "open to read": error_of(file.open, "rb"),
        "create": error_of(new.touch),
        "rename": error_of(file.rename, folder / "renamed"),
        "truncate": error_of(os.truncate, folder / "long", 0),
        "remove": error_of((folder / "long").unlink),
        "make folder": error_of((folder / "made").mkdir),
        "remove folder": error_of(inner.rmdir),
        "symlink": error_of((folder / "symlink").symlink_to, "file"),
        "fifo": error_of(os.mkfifo, folder / "fifo"),
    }

for folder in (kept, other):
    (folder / "inner").mkdir()
    (folder / "file").touch()
    (folder / "long").write_bytes(b"12")
restrict_worker([kept])
assert set(changes(kept).values()) == {None}, changes(kept)
refused = changes(other)
assert refused.pop("open to read") is None
"""


def test_files_change_only_beneath_the_writable_folders(run: RunProgram, abi: int, tmp_path: Path) -> None:
    kept, other = tmp_path / "kept", tmp_path / "other"
    kept.mkdir()
    other.mkdir()
    program = CHANGES
    if abi < landlock.TRUNCATE_ABI:
        program += "refused.pop('truncate')\n"
    run(program + "assert set(refused.values()) == {'EACCES'}, refused", kept, other)


def test_programs_run_and_are_restricted_too(run: RunProgram, abi: int, tmp_path: Path) -> None:
    run(
        """
import subprocess
restrict_worker([])
write = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text('')"
done = subprocess.run([sys.executable, "-c", write, sys.argv[1]], stderr=subprocess.PIPE, text=True)
assert "PermissionError" in done.stderr, done
assert subprocess.run([sys.executable, "-c", "import json"]).returncode == 0
""",
        tmp_path / "file",
    )


def test_a_missing_folder_is_created_and_an_impossible_one_skipped(
    run: RunProgram, abi: int, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    done = run(
        """
import logging
logging.basicConfig(level=logging.INFO)
made, impossible = map(Path, sys.argv[1:])
assert restrict_worker([impossible, made]).landlock
(made / "file").touch()
""",
        tmp_path / "one" / "two",
        tmp_path / "file" / "folder",
    )
    assert f"nothing will be written to {tmp_path}/file/folder: Not a directory" in done.stderr


def test_devices_and_shared_memory_work(run: RunProgram) -> None:
    run(
        """
import fcntl, multiprocessing
from multiprocessing.shared_memory import SharedMemory
RNDGETENTCNT = 0x80045200
restrict_worker([])
with open("/dev/null", "wb") as null:
    null.write(b"1")
with open("/dev/urandom", "rb") as random:
    fcntl.ioctl(random, RNDGETENTCNT, bytes(4))
lock = multiprocessing.get_context("spawn").Lock()
with lock:
    memory = SharedMemory(create=True, size=1 << 20)
memory.buf[0] = 1
memory.close()
memory.unlink()
descriptor = os.memfd_create("photo")
os.ftruncate(descriptor, 1 << 20)
assert os.write(descriptor, b"12") == 2
"""
    )


@pytest.mark.usefixtures("filters")
@pytest.mark.parametrize("restrict", ["restrict_worker([])", "restrict_decoder()"])
def test_io_uring_is_refused(run: RunProgram, restrict: str) -> None:
    done = run(
        f"""
from service.kernel import system_call
IO_URING_SETUP = 425
INVALID = (IO_URING_SETUP, 0, bytes(120))  # a ring of no entries
print(error_of(system_call, *INVALID))
{restrict}
assert error_of(system_call, *INVALID) == "EPERM"
"""
    )
    if done.stdout != "EINVAL\n":
        pytest.skip(f"no io_uring on this system: {done.stdout}")


@pytest.mark.usefixtures("filters")
def test_sockets_are_unix_sockets_only(run: RunProgram) -> None:
    run(
        """
restrict_worker([])
kinds = [(socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6, socket.SOCK_STREAM),
         (socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_INET, socket.SOCK_RAW),
         (socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)]
errors = [error_of(socket.socket, *kind) for kind in kinds]
assert errors == ["EAFNOSUPPORT"] * len(kinds), errors
assert error_of(socket.socketpair, socket.AF_TIPC, socket.SOCK_SEQPACKET) == "EAFNOSUPPORT"
"""
    )


def test_descriptors_pass_through_a_socketpair(run: RunProgram) -> None:
    run(
        """
restrict_worker([])
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
photo = os.memfd_create("photo")
os.write(photo, b"pixels")
socket.send_fds(one, [b"message"], [photo])
message, (received,), _, _ = socket.recv_fds(other, 100, 1)
assert (message, os.pread(received, 100, 0)) == (b"message", b"pixels")
"""
    )


def test_tcp_is_refused_without_a_filter_of_system_calls(run: RunProgram, abi: int) -> None:
    if abi < landlock.TCP_ABI:
        pytest.skip(f"this kernel's Landlock (ABI {abi}) has no rights on TCP")
    run(
        """
from service.sandbox import seccomp
listener = socket.create_server(("127.0.0.1", 0))
seccomp.LIBRARY = "libmissing.so.2"
assert not restrict_worker([]).seccomp
connecting = socket.socket()
assert error_of(connecting.connect, listener.getsockname()) == "EACCES"
assert error_of(socket.socket().bind, ("127.0.0.1", 0)) == "EACCES"
"""
    )


def test_signals_arrive_but_do_not_leave_the_sandbox(run: RunProgram, abi: int) -> None:
    if abi < landlock.SCOPES_ABI:
        pytest.skip(f"this kernel's Landlock (ABI {abi}) has no scopes")
    run(
        """
import signal, subprocess
outside = os.getpid()
inside, ready = os.pipe()

def worker():
    restrict_worker([])
    assert error_of(os.kill, outside, 0) == "EPERM"
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    child.kill()
    assert child.wait() == -signal.SIGKILL
    os.write(ready, b"1")
    signal.pause()

if (process := os.fork()) == 0:
    try:
        worker()
    finally:
        sys.excepthook(*sys.exc_info())
        os._exit(1)
os.close(ready)
assert os.read(inside, 1) == b"1"
os.kill(process, signal.SIGTERM)
assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -signal.SIGTERM
"""
    )


def test_a_second_thread_is_an_error() -> None:
    program = """
import threading
gate = threading.Event()
threading.Thread(target=gate.wait).start()
try:
    restrict_worker([])
finally:
    gate.set()
"""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + program], capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE
    )
    assert "RuntimeError: 2 threads run already" in done.stderr


@pytest.mark.skipif(not dlib.installed(), reason="dlib is not installed")
def test_dlibs_processes_start(run: RunProgram) -> None:
    done = run(
        """
restrict_worker([])
from service.recognition.engines.dlib import DlibEngine
assert forbid_file_growth()
engine = DlibEngine(None, Path("landmarks"), Path("network"), processes=1)
engine.check()
engine.close()
"""
    )
    assert not done.stderr
