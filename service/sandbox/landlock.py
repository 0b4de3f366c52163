"""Landlock: a domain in which files, TCP ports and signals are refused unless a rule allows them (landlock(7)).

Three system calls are made by ctypes. Of the packages, py-landlock 0.1.1 is an alpha of two releases (January 2026)
that starts programs to find the C library. landlock 1.0.0.dev5 is a pre-release without types.
"""

import errno
import os
import struct
from collections.abc import Iterable, Mapping
from enum import IntFlag
from pathlib import Path
from types import MappingProxyType

from service.kernel import system_call

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""Numbers of the system calls, the same on every processor (include/uapi/asm-generic/unistd.h)."""
_RULESET_VERSION = 1
"""LANDLOCK_CREATE_RULESET_VERSION."""
_PATH_BENEATH = 1
"""LANDLOCK_RULE_PATH_BENEATH."""
_RULESET = struct.Struct("=QQQ")
"""struct landlock_ruleset_attr: rights on files, on TCP, and scopes. Older kernels take the later words as zeros."""
_RULE = struct.Struct("=Qi")
"""struct landlock_path_beneath_attr: rights, and the descriptor of a folder."""
_TCP = 0b11
"""LANDLOCK_ACCESS_NET_BIND_TCP and LANDLOCK_ACCESS_NET_CONNECT_TCP."""
_SCOPES = 0b11
"""LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL."""
TRUNCATE_ABI, TCP_ABI, SCOPES_ABI = 3, 4, 6
"""First versions of the interface with truncation, TCP and scopes: Linux 6.2, 6.7 and 6.12."""

_NOT_OFFERED = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM})
"""Errors of a kernel without Landlock, of one that booted without it, and of a container's seccomp filter."""


class NotOffered(Exception):
    """The kernel has no Landlock, or a filter of system calls hides it."""


class FileRight(IntFlag):
    """LANDLOCK_ACCESS_FS_*: rights on files beneath a folder."""

    EXECUTE = 1 << 0
    WRITE_FILE = 1 << 1
    READ_FILE = 1 << 2
    READ_DIR = 1 << 3
    REMOVE_DIR = 1 << 4
    REMOVE_FILE = 1 << 5
    MAKE_CHAR = 1 << 6
    MAKE_DIR = 1 << 7
    MAKE_REG = 1 << 8
    MAKE_SOCK = 1 << 9
    MAKE_FIFO = 1 << 10
    MAKE_BLOCK = 1 << 11
    MAKE_SYM = 1 << 12
    REFER = 1 << 13
    TRUNCATE = 1 << 14
    IOCTL_DEV = 1 << 15


EVERYTHING = FileRight(sum(FileRight))
READING = FileRight.EXECUTE | FileRight.READ_FILE | FileRight.READ_DIR | FileRight.IOCTL_DEV
"""Rights that change no file. IOCTL_DEV is among them, since a GPU's driver uses ioctl(2)."""
CHANGES = EVERYTHING & ~READING

_SINCE: Mapping[FileRight, int] = MappingProxyType(
    {FileRight.REFER: 2, FileRight.TRUNCATE: TRUNCATE_ABI, FileRight.IOCTL_DEV: 5}
)
"""First version of the interface with a right: Linux 5.19, 6.2 and 6.10. The other rights are as old as Landlock."""


def offered_abi() -> int:
    """Version of the kernel's Landlock interface.

    Raises:
        NotOffered: there is none.
        OSError: the kernel fails otherwise.
    """
    try:
        return system_call(_CREATE_RULESET, None, 0, _RULESET_VERSION)
    except OSError as error:
        if error.errno in _NOT_OFFERED:
            raise NotOffered(error.strerror) from error
        raise


def restrict(abi: int, handled: FileRight, allowed: Iterable[tuple[Path, FileRight]]) -> None:
    """Move the calling thread, and all threads and processes that it starts later, into a new domain.

    There, `handled` rights are refused except beneath folders of `allowed`. TCP is refused from TCP_ABI on. From
    SCOPES_ABI on, no signal and no connection to an abstract socket leaves the domain. Open descriptors stay as they
    are.

    Args:
        abi: version of the kernel's interface; newer rights are skipped.
        handled: rights that are refused.
        allowed: folders that exist, with the rights beneath each.

    Raises:
        OSError: a folder cannot be opened, 16 domains surround the thread already, or no_new_privs is not set.
    """
    handled &= _rights(abi)
    tcp = _TCP if abi >= TCP_ABI else 0
    scopes = _SCOPES if abi >= SCOPES_ABI else 0
    attributes = _RULESET.pack(handled, tcp, scopes)
    ruleset = system_call(_CREATE_RULESET, attributes, len(attributes), 0)
    try:
        for folder, rights in allowed:
            _allow(ruleset, folder, rights & handled)
        system_call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _rights(abi: int) -> FileRight:
    return FileRight(sum(right for right in FileRight if _SINCE.get(right, 1) <= abi))


def _allow(ruleset: int, folder: Path, rights: FileRight) -> None:
    descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    try:
        system_call(_ADD_RULE, ruleset, _PATH_BENEATH, _RULE.pack(rights, descriptor), 0)
    finally:
        os.close(descriptor)
