"""System calls by ctypes that the standard library lacks, and a workaround for a call that sandboxes deny."""

import ctypes
import errno
import mmap
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call by its number, with integers and buffers, and return its result.

    Raises:
        OSError: the call failed, or the system is not Linux.
    """
    _require_linux()  # elsewhere, the same numbers are other calls
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise _last_error()
    return result


def prctl(option: int, argument: int) -> None:
    """Set an attribute of the calling process (prctl(2)); the three further arguments are 0.

    Raises:
        OSError: the call failed, or the system is not Linux.
    """
    _require_linux()
    words = [ctypes.c_ulong(word) for word in (argument, 0, 0, 0)]
    if _libc.prctl(option, *words) != 0:
        raise _last_error()


def protect(memory: mmap.mmap, protection: int) -> None:
    """Change the protection of a mapping (mprotect(2)), to PROT_ constants of `mmap`.

    Raises:
        OSError: the call failed.
    """
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(len(memory)), protection) != 0:
        raise _last_error()


def remove_denied_affinity() -> None:
    """Remove os.sched_getaffinity from this process if a sandbox denies the call.

    numba calls it while it is imported, and Pillow for each AVIF file. Both fail if it is denied, and count the cores
    in another way if the function is missing, as on other systems.
    """
    try:
        os.sched_getaffinity(0)
    except OSError:
        del os.sched_getaffinity
    except AttributeError:
        pass


def _require_linux() -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def _last_error() -> OSError:
    return OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
