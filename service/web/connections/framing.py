"""h11's parser with the checks of RFC 9112 that h11 leaves to its user, against request smuggling."""

import h11

MAXIMUM_REASON = 200
"""Maximum number of characters of h11's reason in an answer. The reason may quote a whole header line."""

EMPTY_LINES = 8
"""Maximum number of empty lines that are ignored before a request line. RFC 9112, section 2.2, requires at least one,
since some old clients send an empty line after a body."""


class RequestParser(h11.Connection):
    """Server side of one HTTP/1.1 connection.

    h11 itself rejects conflicting Content-Lengths (400), transfer codings other than chunked (501) and heads that are
    too long (431). Equal Content-Lengths count as one, and a folded line as a space (RFC 9112, sections 6.3 and 5.2).
    """

    fault: h11.RemoteProtocolError | None = None
    """Fault of the last request, if it was rejected."""
    is_head = False
    """The last request is a HEAD: its answer has no body."""
    _empty_lines = 0
    """Empty lines since the last request."""

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """The next event of the connection. Raises h11.RemoteProtocolError, and keeps it as `fault`."""
        if self.their_state is h11.IDLE and self._ignore_empty_lines():
            return h11.NEED_DATA
        try:
            event = super().next_event()
            if isinstance(event, h11.Request):
                self._empty_lines = 0
                self.is_head = event.method == b"HEAD"
                _check(event)
        except h11.RemoteProtocolError as error:
            self.fault = error
            raise
        return event

    def _ignore_empty_lines(self) -> bool:
        """Drop empty lines before a request line. Returns True if half of one is left, which h11 would reject.

        Not in receive_data, since empty lines may arrive in the same data as the body before them.
        """
        start = self.trailing_data[0][: 2 * EMPTY_LINES]
        while start.startswith(b"\r\n") and self._empty_lines < EMPTY_LINES:
            start = start[2:]
            self._receive_buffer.maybe_extract_at_most(2)
            self._empty_lines += 1
        return start == b"\r" and self._empty_lines < EMPTY_LINES

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        """Bytes of an event. An answer before the end of its request gets the header `Connection: close`.

        RFC 9110, section 10.1.1, and RFC 9112, section 9.6: the rest of the request is discarded.
        """
        if isinstance(event, h11.Response) and self.their_state in (h11.SEND_BODY, h11.ERROR):
            others = [
                (name, value) for name, value in event.headers.raw_items() if name.lower() != b"connection"
            ]
            event = h11.Response(
                status_code=event.status_code,
                headers=[*others, (b"connection", b"close")],
                reason=event.reason,
            )
        return super().send_with_data_passthrough(event)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and reason of `fault`."""
        if self.fault is None:
            return 400, "not a valid HTTP/1.1 request"
        reason = str(self.fault)[:MAXIMUM_REASON]
        return self.fault.error_status_hint, f"not a valid HTTP/1.1 request: {reason}"

    @property
    def kind_of_fault(self) -> str:
        """The reason of `fault` for the log, without the request line or header that h11 appends as bytes.

        Either may contain a key.
        """
        return str(self.fault).partition(": b")[0]


def _check(request: h11.Request) -> None:
    """Reject a request whose end a proxy in front may locate elsewhere. Raises h11.RemoteProtocolError."""
    if not request.http_version.startswith(b"1."):
        raise h11.RemoteProtocolError("only HTTP/1.1 and HTTP/1.0 are supported", error_status_hint=505)
    names = {name for name, _ in request.headers}
    if b"transfer-encoding" in names:
        if b"content-length" in names:  # RFC 9112, section 6.1
            raise h11.RemoteProtocolError("Content-Length together with Transfer-Encoding")
        if request.http_version < b"1.1":
            raise h11.RemoteProtocolError("Transfer-Encoding in a request of HTTP/1.0")
