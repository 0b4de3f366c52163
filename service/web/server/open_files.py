"""The limit of open files (RLIMIT_NOFILE): each waiting connection takes one, and the usual limit is 1024."""

import logging
import resource

log = logging.getLogger(__name__)

OPEN_FILES = 16 * 1024
"""Soft limit of open files, if the hard limit allows it."""


def raise_limit() -> None:
    """Raise the soft limit of open files, for this process and its children."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # RLIM_INFINITY is -1
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        # A sandbox may forbid the calls, or another process may lower the limit between them.
        log.debug("the limit of open files is unchanged: %s", error)
