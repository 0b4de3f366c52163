"""Parsers of messages between the processes of the service."""

from collections.abc import Mapping
from types import MappingProxyType

from tests.fuzz.target import AREA, Loaded, Target, words


def message() -> Loaded:
    """Head of a message between web process and worker process, in both directions."""
    from service import messages

    def execute(data: bytes) -> None:
        for parsed in (messages.from_web, messages.from_worker, messages.worker_status):
            try:
                found = parsed(data)
            except messages.MalformedMessage:
                continue
            assert parsed(found.head()) == found

    return Loaded(execute, ())


def decoder_request() -> Loaded:
    """Request to a decoder process."""
    from service.decoders import messages

    def execute(data: bytes) -> None:
        found = messages.request(data)
        assert found.size >= 0
        assert found.header is None or found.header.area > 0
        assert messages.request(found.packet()) == found

    return Loaded(execute, (messages.MalformedMessage,))


def decoder_reply() -> Loaded:
    """Reply of a decoder process. The first line is 0 for a header or 1 for pixels, and the size of the memory."""
    from service import ipc
    from service.decoders import messages
    from service.decoders.messages import Pixels, Request
    from service.images.memory import Header

    requests = Request(1000, AREA), Request(1000, AREA, Header(64, 40, "JPEG"))

    def execute(data: bytes) -> None:
        head, _, packet = data.partition(b"\n")
        pixels, _, size = head.partition(b" ")
        request = requests[pixels == b"1"]
        memory = int(size[:18]) if size.isdigit() else 0
        found = messages.reply(packet, request, memory)
        match found.result:
            case Header(width, height):
                assert request.header is None
                assert 1 <= width * height <= AREA
            case Pixels() as result:
                assert request.header is not None
                assert 1 <= result.rows * result.columns <= AREA
                assert result.size == memory
            case Exception() as error:
                str(error).encode()
        again = found.packet()
        assert len(again) <= ipc.MAXIMUM_PACKET
        assert messages.reply(again, request, memory).packet() == again

    return Loaded(execute, (messages.MalformedMessage,))


TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        "message": Target(message, words(b'"kind": "number": "photo" "begun" null -1')),
        "decoder-request": Target(
            decoder_request,
            (b"null", b"true", b"[", b"]", b", ", b'"HEIF"', b"1e9", b"-1", b"9" * 30, b"NaN"),
        ),
        "decoder-reply": Target(
            decoder_reply,
            (
                *(b"1 ", b"0 ", b"\n", b", ", b"9" * 30, b'"too large"', b'"no memory"', b'"over limit"'),
                *words(b'[ ] true 1e9 -1 NaN \\ud800 "header" "pixels" "undecodable" "HEIF" "JPEG"'),
            ),
        ),
    }
)
