"""Authentication by key: middleware that requires a valid key in the headers of a request."""

import logging
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service.rate_limited_warning import RateLimitedWarning
from service.web.callers import CALLER, Caller
from service.web.guessing import BURST, Guesses, client_of
from service.web.keys import KeyRing
from service.web.metrics import Metrics
from service.web.request_pipeline import cancelled_on_hang_up

HEADER = "x-api-key"
AUTHORIZATION = "authorization"
SCHEME = "Bearer"
"""Scheme of a key in the header `Authorization` (RFC 6750), as Prometheus sends it."""

log = logging.getLogger(__name__)


class WrongKey(Exception):
    """The request has no valid key."""

    headers: Mapping[str, str] = MappingProxyType({})
    """Headers of the answer."""


class WrongMetricsKey(WrongKey):
    """A request for the metrics has no valid key."""

    headers = MappingProxyType({"WWW-Authenticate": SCHEME})


class Authentication:
    """Check of the keys of requests, with the slow-down of wrong ones."""

    def __init__(self, keys: KeyRing, metrics: Metrics) -> None:
        self._keys = keys
        self._guesses = Guesses()
        self._wrong = metrics.wrong_keys
        self._delayed = RateLimitedWarning(log)

    async def admits(self, offered: bytes, address: str, caller: Caller) -> bool:
        """True if the key is valid. Raises CallerGone for a caller that hangs up while it waits."""
        if not offered:  # no guess
            return False
        valid = self._keys.admits(offered)
        if not (valid and self._guesses.trusts(address)):
            if self._guesses.delays(address):
                # Without the address: the log has none.
                self._delayed.warning(
                    "more than %d wrong keys of one address: the checks of that address wait", BURST
                )
            turn = self._guesses.turn(address, caller.connection, caller.closing, wrong=not valid)
            await cancelled_on_hang_up(turn, caller.hung_up)
        if valid:
            self._guesses.trust(address)
        else:
            self._wrong.inc()
        return valid


class KeyRequired:
    """Middleware that checks the key from the headers, before the body is read or a `100 Continue` is sent."""

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        offered = _bytes(Headers(scope=scope).get(HEADER, ""))
        address = client_of(scope.get("client"))
        if not await self._authentication.admits(offered, address, scope["state"][CALLER]):
            raise WrongKey(f"missing or wrong API key: send a valid one in the header {HEADER}")
        await self._app(scope, receive, send)


class MetricsKeyRequired:
    """Middleware of `/metrics`: FACE_METRICS_KEY in the header `Authorization: Bearer`, or in that of an API key.

    API keys are not valid: a caller with the key of the metrics could try them without the slow-down.
    """

    def __init__(self, app: ASGIApp, authentication: Authentication) -> None:
        self._app = app
        self._authentication = authentication

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        scheme, _, token = headers.get(AUTHORIZATION, "").partition(" ")
        bearer = token.strip() if scheme.lower() == SCHEME.lower() else ""
        offered = _bytes(bearer or headers.get(HEADER, ""))
        address = client_of(scope.get("client"))
        if not await self._authentication.admits(offered, address, scope["state"][CALLER]):
            raise WrongMetricsKey(
                f"missing or wrong key: send FACE_METRICS_KEY as {AUTHORIZATION}: {SCHEME}, or in the header {HEADER}"
            )
        await self._app(scope, receive, send)


def _bytes(header: str) -> bytes:
    """The bytes of a header, which Starlette decodes as Latin-1: it maps bytes one to one."""
    return header.encode("latin-1")
