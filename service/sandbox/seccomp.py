"""A seccomp filter of refused system calls, by the system's libseccomp (seccomp(2)).

Six functions of libseccomp are called by ctypes. pyseccomp 0.1.2 wraps the same library, but is of January 2021,
untyped, and fails at import if the library is missing. The filter lists refused calls, not allowed calls, since an
update of the C library, a decoder or a driver may start to use a new call.
"""

import ctypes
import errno
import os
from collections.abc import Iterable
from functools import cache
from socket import AF_UNIX
from typing import NamedTuple

LIBRARY = "libseccomp.so.2"
"""The library's name in all versions since 2012. Debian's and Ubuntu's slim images have it too: apt depends on it."""

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
"""SCMP_ACT_ALLOW, and SCMP_ACT_ERRNO without its error number."""
_NOT_EQUAL = 1
"""SCMP_CMP_NE."""
_NO_MITIGATION = 7
"""SCMP_FLTATR_CTL_SSB: no Spectre v4 mitigation for this filter, which before Linux 5.16 slows all computation down."""
_NO_SUCH_CALL = -1
"""__NR_SCMP_ERROR: this libseccomp does not define the name."""


class NotOffered(Exception):
    """The kernel accepts no filter, or the system has no libseccomp."""


class Refusal(NamedTuple):
    """A system call and the error with which it fails.

    With `unless_first` given, the call is allowed if its first argument has this value.
    """

    call: str
    error: int = errno.EPERM
    unless_first: int | None = None


class _Comparison(ctypes.Structure):
    """struct scmp_arg_cmp: index of an argument, operator, and the values to compare with."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


def _refusals(calls: str, error: int = errno.EPERM) -> tuple[Refusal, ...]:
    return tuple(Refusal(call, error) for call in calls.split())


KERNEL_INTERFACES = _refusals(
    "io_uring_setup io_uring_enter io_uring_register "  # files and sockets that bypass any filter of system calls
    "ptrace process_vm_readv process_vm_writev pidfd_getfd process_madvise "  # other processes
    "mount umount2 pivot_root chroot fsopen fsconfig fsmount fspick move_mount open_tree mount_setattr "
    "unshare setns open_by_handle_at name_to_handle_at quotactl swapon swapoff "
    "bpf perf_event_open userfaultfd keyctl add_key request_key "  # source of most kernel vulnerabilities
    "init_module finit_module delete_module kexec_load kexec_file_load reboot syslog acct "
    "settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname iopl ioperm "
    "fanotify_init lookup_dcookie vhangup"
)
"""Calls that recognition, decoders and GPU drivers do not use."""

UNIX_SOCKETS_ONLY = tuple(Refusal(call, errno.EAFNOSUPPORT, AF_UNIX) for call in ("socket", "socketpair"))
"""No TCP, UDP, raw, netlink or packet sockets. The error is that of a kernel built without the address family."""

NO_PROGRAMS = _refusals("execve execveat")
NO_CONNECTIONS = _refusals("socket connect bind listen accept accept4")
NO_FILES = _refusals(
    "open openat openat2 creat mknod mknodat mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 "
    "link linkat symlink symlinkat truncate chmod fchmodat fchmodat2 chown lchown fchownat "
    "utime utimes utimensat futimesat setxattr lsetxattr removexattr lremovexattr",
    errno.EACCES,
)
"""Access to files by path, with Landlock's error: it covers kernels without Landlock, and attributes, which Landlock
does not cover."""

WORKER = (*KERNEL_INTERFACES, *UNIX_SOCKETS_ONLY)
DECODER = (*KERNEL_INTERFACES, *UNIX_SOCKETS_ONLY[1:], *NO_PROGRAMS, *NO_CONNECTIONS, *NO_FILES)


@cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL(LIBRARY)
    except OSError as error:
        raise NotOffered(f"{LIBRARY} cannot be loaded: {error}") from error
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_release.argtypes = (ctypes.c_void_p,)
    library.seccomp_release.restype = None
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
    library.seccomp_rule_add_array.argtypes = (
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
        ctypes.POINTER(_Comparison),
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    return library


def restrict(refusals: Iterable[Refusal]) -> None:
    """Refuse these calls to the calling thread and to all that it starts later, and set no_new_privs as well.

    Calls by another architecture's numbers (32 bits, x32) end the process, since filters compare numbers.

    Raises:
        NotOffered: there is no libseccomp, or the kernel accepts no filter.
        OSError: libseccomp fails otherwise.
    """
    library = _library()
    filter_ = library.seccomp_init(_ALLOW)
    if not filter_:
        raise MemoryError("libseccomp has no memory for a filter")
    try:
        # libseccomp before 2.5 lacks this attribute; the mitigation then stays.
        library.seccomp_attr_set(filter_, _NO_MITIGATION, 1)
        for refusal in refusals:
            _add(library, filter_, refusal)
        result: int = library.seccomp_load(filter_)
        if -result == errno.ECANCELED:  # seccomp_load(3): by the kernel, and libseccomp keeps the reason
            raise NotOffered("the kernel takes no filter of system calls")
        _raise_error(result)
    finally:
        library.seccomp_release(filter_)


def _add(library: ctypes.CDLL, filter_: int, refusal: Refusal) -> None:
    number = library.seccomp_syscall_resolve_name(refusal.call.encode("ascii"))
    if number == _NO_SUCH_CALL:
        return  # newer than this libseccomp, and perhaps than the kernel
    comparisons = (_Comparison * 1)()
    count = 0
    if refusal.unless_first is not None:
        comparisons[0] = _Comparison(0, _NOT_EQUAL, refusal.unless_first, 0)
        count = 1
    _raise_error(library.seccomp_rule_add_array(filter_, _ERRNO | refusal.error, number, count, comparisons))


def _raise_error(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))
