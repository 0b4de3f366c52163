"""Sandbox of the worker and the decoders: restrictions that a process sets on itself and cannot undo.

Landlock limits files, TCP and signals; seccomp refuses system calls; resource limits forbid file growth. None of them
needs a privilege. A restriction that the kernel does not offer is skipped and reported (Restrictions).
"""

from service.sandbox.limits import (
    allow_file_growth,
    forbid_core_files,
    forbid_file_growth,
    raise_oom_score,
)
from service.sandbox.restrictions import Restrictions, restrict_decoder, restrict_worker

__all__ = [
    "Restrictions",
    "allow_file_growth",
    "forbid_core_files",
    "forbid_file_growth",
    "raise_oom_score",
    "restrict_decoder",
    "restrict_worker",
]
