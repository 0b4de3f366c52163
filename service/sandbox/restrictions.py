"""The sandboxes of the worker and of a decoder, and a report of the restrictions in force."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from service.kernel import prctl
from service.sandbox import landlock, seccomp
from service.sandbox.landlock import FileRight

_log = logging.getLogger(__name__)

PR_SET_NO_NEW_PRIVS = 38
"""Option of prctl(2), from linux/prctl.h."""

DEVICES = Path("/dev")
SHARED_MEMORY = DEVICES / "shm"
"""tmpfs, in memory: shm_open(3) and sem_open(3) create files there."""
THREADS = Path("/proc/self/task")

LANDLOCK_COVERS = (
    (1, "files"),
    (landlock.TRUNCATE_ABI, "truncation"),
    (landlock.TCP_ABI, "TCP"),
    (landlock.SCOPES_ABI, "signals"),
)
"""Version of Landlock's interface (ABI), and the objects that it covers from that version on."""


class Restrictions(NamedTuple):
    """Restrictions in force in a process, for /info, the log and `python -m service check`."""

    no_new_privileges: bool = False
    """execve(2) gives no privileges (set-user-ID programs, file capabilities)."""
    landlock: int = 0
    """Version of Landlock's interface that restricts the process; 0: not restricted."""
    seccomp: bool = False
    """A filter of this package refuses system calls."""
    file_growth_forbidden: bool = False
    """No regular file can grow: see limits.forbid_file_growth, whose result goes here."""

    def summary(self) -> str:
        """All restrictions in one line of text."""
        covered = ", ".join(name for abi, name in LANDLOCK_COVERS if abi <= self.landlock)
        parts = {
            "no new privileges": _word(self.no_new_privileges),
            "Landlock": f"ABI {self.landlock} ({covered})" if self.landlock else _word(False),
            "seccomp": _word(self.seccomp),
            "file growth forbidden": _word(self.file_growth_forbidden),
        }
        return ", ".join(f"{name}: {value}" for name, value in parts.items())


def restrict_worker(writable: Sequence[Path]) -> Restrictions:
    """Restrict the worker: no file is changed except beneath `writable` and /dev, and sockets are AF_UNIX only.

    Reading and executing stay allowed, so that dlib's processes can be started; they inherit all of it. Signals from
    outside still arrive. No signal reaches a process that was started before the call: it is outside. Files of /proc
    cannot be written either, so raise_oom_score comes first. As root, block devices in /dev can be written.

    Args:
        writable: folders for machine code and a driver's cache. Missing ones are created; one that cannot be
            created is skipped.

    Raises:
        RuntimeError: the process has a second thread, which would stay unrestricted.
    """
    threads = _threads()
    if threads > 1:
        raise RuntimeError(
            f"{threads} threads run already: Landlock and seccomp restrict the calling one alone"
        )
    allowed = [(DEVICES, FileRight.WRITE_FILE)]
    if SHARED_MEMORY.is_dir():
        allowed.append((SHARED_MEMORY, landlock.CHANGES))
    allowed.extend((folder, landlock.CHANGES) for folder in writable if _create(folder))
    return _restrict(seccomp.WORKER, landlock.CHANGES, allowed)


def restrict_decoder() -> Restrictions:
    """Restrict the calling thread to its memory and open descriptors: no path, no connection, no program.

    Every module and shared library has to be loaded before (service.images.preloading). Threads and
    processes that the thread starts later inherit the restrictions; other threads do not change.

    A call in each child takes 1.3 to 1.7 ms. One call in the fork server would take 1.1 ms for all children, but they
    could then signal each other in their common domain. A further call adds a layer; the maximum is 16, including the
    layers of the parents.
    """
    return _restrict(seccomp.DECODER, landlock.EVERYTHING, ())


def forbid_new_privileges() -> None:
    """Set no_new_privs: execve(2) then grants no privileges, and Landlock and seccomp are open to any user.

    A set-user-ID helper of a driver (nvidia-modprobe, which makes /dev/nvidia-uvm) no longer works.

    Raises:
        OSError: the system does not have it.
    """
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def _restrict(
    refusals: Sequence[seccomp.Refusal], handled: FileRight, allowed: Sequence[tuple[Path, FileRight]]
) -> Restrictions:
    no_new_privileges = filtered = False
    abi = 0
    with _best_effort("no_new_privs"):
        forbid_new_privileges()
        no_new_privileges = True
    # Before Landlock, which would refuse to load libseccomp if no file can be read.
    with _best_effort("seccomp"):
        seccomp.restrict(refusals)
        filtered = True
    with _best_effort("Landlock"):
        offered = landlock.offered_abi()
        landlock.restrict(offered, handled, allowed)
        abi = offered
    return Restrictions(no_new_privileges, abi, filtered)


@contextmanager
def _best_effort(name: str) -> Iterator[None]:
    """Log the reason for a missing restriction: a kernel without it at level INFO, any other error with a traceback."""
    try:
        yield
    except (landlock.NotOffered, seccomp.NotOffered) as reason:
        _log.info("%s restricts nothing here: %s", name, reason)
    except OSError:
        _log.exception("%s could not be set; the process runs on without it", name)


def _threads() -> int:
    try:
        return sum(1 for _ in THREADS.iterdir())
    except OSError as error:
        _log.info("the threads of this process cannot be counted: %s", error)
        return 1


def _create(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.info("nothing will be written to %s: %s", folder, error.strerror)
        return False
    return True


def _word(active: bool) -> str:
    return "yes" if active else "no"
