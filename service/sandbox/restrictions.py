"""Privileges that the worker and the decoders give up, and a report of what is in force."""

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
"""linux/prctl.h"""

DEVICES = Path("/dev")
SHARED_MEMORY = DEVICES / "shm"
"""tmpfs, in memory: shm_open(3) and sem_open(3) make files there."""
THREADS = Path("/proc/self/task")

LANDLOCK_COVERS = (
    (1, "files"),
    (landlock.TRUNCATE_ABI, "truncation"),
    (landlock.TCP_ABI, "TCP"),
    (landlock.SCOPES_ABI, "signals"),
)
"""Version of Landlock's interface, and what is covered from it on."""


class Restrictions(NamedTuple):
    """The restrictions in force in a process, for /info, the log and `python -m service check`."""

    no_new_privileges: bool = False
    """execve(2) gives no privileges (set-user-ID programs, file capabilities)."""
    landlock: int = 0
    """Version of Landlock's interface that restricts the process; 0: not restricted."""
    seccomp: bool = False
    """A filter of this package refuses system calls."""
    file_growth_forbidden: bool = False
    """No regular file can grow: see limits.forbid_file_growth, whose result goes here."""

    def summary(self) -> str:
        """One line for people."""
        covered = ", ".join(name for abi, name in LANDLOCK_COVERS if abi <= self.landlock)
        parts = {
            "no new privileges": _word(self.no_new_privileges),
            "Landlock": f"ABI {self.landlock} ({covered})" if self.landlock else _word(False),
            "seccomp": _word(self.seccomp),
            "file growth forbidden": _word(self.file_growth_forbidden),
        }
        return ", ".join(f"{name}: {value}" for name, value in parts.items())


def restrict_worker(writable: Sequence[Path]) -> Restrictions:
    """Confine the worker: no file is changed but beneath `writable` and /dev, and sockets are AF_UNIX only.

    Reading and executing stay allowed, so that dlib's processes can be spawned; they inherit all of it. Signals from
    outside still arrive. No signal reaches a process that was started before the call: it is outside. Files of /proc
    cannot be written either, so raise_oom_score comes first. As root, block devices in /dev can be written.

    Args:
        writable: folders for machine code and a driver's cache. Missing ones are made; one that cannot be made is
            left out.

    Raises:
        RuntimeError: the process has a second thread, which would stay unrestricted.
    """
    threads = _threads()
    if threads > 1:
        raise RuntimeError(f"{threads} threads run already: Landlock and seccomp reach the calling one alone")
    allowed = [(DEVICES, FileRight.WRITE_FILE)]
    if SHARED_MEMORY.is_dir():
        allowed.append((SHARED_MEMORY, landlock.CHANGES))
    allowed.extend((folder, landlock.CHANGES) for folder in writable if _made(folder))
    return _restrict(seccomp.WORKER, landlock.CHANGES, allowed)


def restrict_decoder() -> Restrictions:
    """Confine the calling thread to its memory and open descriptors: no path, no connection, no program.

    Everything has to be loaded before (service.images.preloading): no module and no shared library can be read
    afterwards. Threads and processes that the thread starts later inherit the restrictions; other threads stay as they
    are. A call in each child takes 1.3 to 1.7 ms. One call in the fork server would take 1.1 ms for all, but leave them
    in one domain, in which they may signal each other. A further call adds a layer, 16 in all, those of the parents
    included.
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
    # Before Landlock: where that lets nothing be read, libseccomp could not be loaded.
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
    """Log why a restriction is not in force: what is not offered as information, anything else with its traceback."""
    try:
        yield
    except (landlock.NotOffered, seccomp.NotOffered) as reason:
        _log.info("%s restricts nothing here: %s", name, reason)
    except OSError:
        _log.exception("%s was to restrict this process and does not; the process runs on without it", name)


def _threads() -> int:
    try:
        return sum(1 for _ in THREADS.iterdir())
    except OSError as error:
        _log.info("the threads of this process cannot be counted: %s", error)
        return 1


def _made(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _log.info("nothing will be written to %s: %s", folder, error.strerror)
        return False
    return True


def _word(active: bool) -> str:
    return "yes" if active else "no"
