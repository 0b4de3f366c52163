"""The limit of open files (RLIMIT_NOFILE): each caller that waits takes one, and the usual limit is 1024."""

import logging
import resource

log = logging.getLogger(__name__)

MANY = 16 * 1024
"""Open files that the process allows itself."""


def allow_many() -> None:
    """Raises the soft limit of open files, for this process and those that it starts."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # RLIM_INFINITY is -1
        most = MANY if hard == resource.RLIM_INFINITY else min(hard, MANY)
        if soft != resource.RLIM_INFINITY and soft < most:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:
        # A sandbox may forbid the call, or another process lower the limit.
        log.debug("the limit of open files stays as it is: %s", error)
