"""System calls that the standard library has no function for, by ctypes."""

import ctypes
import errno
import os
import sys

_PR_SET_NO_NEW_PRIVS = 38
"""prctl(2)."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def system_call(number: int, *arguments: int | bytes | None) -> int:
    """Make a system call by its number, with integers and buffers, and return its result.

    Raises:
        OSError: the call failed, or the system is not Linux.
    """
    if sys.platform != "linux":  # the same numbers are other calls there
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def forbid_new_privileges() -> None:
    """Set no_new_privs: from now on execve(2) gives no privileges, and Landlock and seccomp are open to any user.

    A set-user-ID helper of a driver (nvidia-modprobe, which makes /dev/nvidia-uvm) does its work no more.

    Raises:
        OSError: the system does not have it.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    words = [ctypes.c_ulong(word) for word in (1, 0, 0, 0)]
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, *words) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
