"""A sandbox for the worker and the decoders: privileges that a process gives up for good, as far as the kernel allows.

Landlock limits files, TCP and signals; seccomp refuses system calls; resource limits forbid files to grow. No
privilege is needed for any of it, and nothing can be taken back. What the kernel does not offer is left out and
reported (Restrictions), and the process runs on.
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
