"""Programs that refuse system calls to their own process, as the sandboxes do that users start the service in."""

import ctypes

import pytest

PR_GET_MDWE = 66

NO_WRITTEN_CODE = """
import ctypes
PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN = 65, 1
assert ctypes.CDLL(None).prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0
"""
"""As MemoryDenyWriteExecute=yes of systemd, on Linux 6.3 and newer."""

NO_THREADS = """
import errno
from service.sandbox import seccomp
seccomp.restrict([seccomp.Refusal("clone3", errno.EPERM)])
"""
"""As the filter of Docker before 20.10.10."""

needs_mdwe = pytest.mark.skipif(
    ctypes.CDLL(None).prctl(PR_GET_MDWE, 0, 0, 0, 0) < 0, reason="the kernel has no PR_SET_MDWE"
)
"""Mark of tests with NO_WRITTEN_CODE."""
