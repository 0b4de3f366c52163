"""Resource limits (file growth, core files) and the out-of-memory killer's score of this process."""

import logging
import os
import resource
import stat
from pathlib import Path

_log = logging.getLogger(__name__)

OOM_SCORE = Path("/proc/self/oom_score_adj")
"""Score of the out-of-memory killer (proc(5)): -1000 (never killed) to 1000 (killed first)."""

LOG_DESCRIPTORS = (1, 2)
"""Standard output and standard error."""

NO_CORE = (1, 1)
"""RLIMIT_CORE, soft and hard. With 1, as with 0, no core file is written. In addition, Linux does not start the program
that collects cores (core(5)), which 0 does not prevent."""


def forbid_core_files() -> None:
    """Disable core files, which would contain photos, for this process and all that it starts."""
    try:
        resource.setrlimit(resource.RLIMIT_CORE, NO_CORE)
    except (OSError, ValueError) as error:  # a sandbox forbids the call, or the hard limit is 0
        _log.info("the limit of core files stays as it is: %s", error)


def forbid_file_growth() -> bool:
    """Set the soft RLIMIT_FSIZE to 0 for all threads: writing to a regular file fails with EFBIG.

    A memfd and files of /dev/shm are regular files too: neither write(2) nor ftruncate(2) makes one larger. Stores to a
    mapping, pipes, sockets and devices are not affected. Children inherit the limit; `allow_file_growth` undoes it.

    Returns:
        False, and nothing is limited, if the process's standard output or standard error is a regular file: its log
        would end here. Also if the system denies the call.
    """
    if any(map(_is_regular_file, LOG_DESCRIPTORS)):
        _log.info("the log goes to a file, so files can still grow")
        return False
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    except OSError as error:
        _log.info("files can still grow: %s", error.strerror)
        return False
    return True


def allow_file_growth() -> None:
    """Raise the soft RLIMIT_FSIZE to the hard limit, for a process that writes memory files.

    If the system denies the call, the limit stays.
    """
    try:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    except OSError as error:
        _log.info("the limit of file growth stays: %s", error.strerror)


def raise_oom_score(score: int) -> bool:
    """Raise this process's oom_score_adj to `score`; children inherit it. A higher score stays.

    Args:
        score: 0 to 1000, in thousandths of the machine's memory, which count as used by the process in addition.

    Returns:
        True if the score is at least `score` now; False without /proc, or with a read-only one.
    """
    try:
        if int(OOM_SCORE.read_bytes()) < score:
            OOM_SCORE.write_text(str(score), encoding="ascii")
    except OSError as error:
        _log.info("the order in which the kernel ends processes stays as it is: %s", error)
        return False
    return True


def _is_regular_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # closed
        return False
