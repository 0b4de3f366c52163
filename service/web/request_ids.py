"""Request ids: that of the caller's header `X-Request-ID`, as a proxy sets it, or a random one."""

import re
import secrets

from starlette.datastructures import Headers
from starlette.types import Scope

HEADER = "x-request-id"
REQUEST_ID = "request_id"
"""Item of a request's state."""

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
"""Ids that are taken from a caller: no character that could forge a line of the log, and no long text."""
RANDOM_BYTES = 6


def request_id(scope: Scope) -> str:
    """The caller's id if it is one of ACCEPTED, else 12 random hexadecimal digits."""
    offered = Headers(scope=scope).get(HEADER, "")
    return offered if ACCEPTED.fullmatch(offered) else secrets.token_hex(RANDOM_BYTES)
