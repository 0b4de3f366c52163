from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from pathlib import Path

import pytest

from service import ipc
from service.ipc import channel
from service.ipc.channel import MAXIMUM_HEAD, PREFIX, Channel, Message
from tests.unit.service.coroutines import run_async, settle


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class End:
    """One end of a connection, and its received messages."""

    def __init__(self, connection: socket.socket) -> None:
        self.messages: asyncio.Queue[Message] = asyncio.Queue()
        self.closed = asyncio.Event()
        self.times_closed = 0
        self.channel = Channel(connection, self.messages.put_nowait, self._closed)

    def _closed(self) -> None:
        self.times_closed += 1
        self.closed.set()


def large(size: int) -> bytes:
    """Bytes in which every packet differs."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4)) + bytes(size % 4)


def test_messages_arrive_intact_and_in_order() -> None:
    async def story() -> None:
        here, there = map(End, ipc.pair())
        bodies = [b"", b"x", large(ipc.MAXIMUM_PACKET), large(ipc.MAXIMUM_PACKET + 1), large(1_000_003)]
        with ipc.SealedMemory.of(b"pixels") as memory:
            for number, body in enumerate(bodies):
                here.channel.send(b"%d" % number, body, memory if number % 2 else None)
            here.channel.send(bytes(MAXIMUM_HEAD))
            for number, body in enumerate(bodies):
                message = await there.messages.get()
                assert (message.head, message.body) == (b"%d" % number, body)
                assert (message.memory is not None) == bool(number % 2)
                if message.memory is not None:
                    assert message.memory.read(0, 10) == b"pixels"
                    message.memory.close()
        assert await there.messages.get() == (bytes(MAXIMUM_HEAD), b"", None)
        there.channel.send(b"back")
        assert (await here.messages.get()).head == b"back"
        here.channel.close()
        there.channel.close()

    before = descriptors()
    run_async(story)
    assert descriptors() == before


def test_a_full_socket_keeps_the_order_while_its_reader_is_slow() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        sender = End(ours)
        body = large(300_000)
        for number in range(20):
            sender.channel.send(b"%d" % number, body)
        await settle()  # more than the socket holds, and no byte is read
        receiver = End(its)
        for number in range(20):
            message = await receiver.messages.get()
            assert (message.head, message.body) == (b"%d" % number, body)
        sender.channel.close()
        await receiver.closed.wait()

    run_async(story)


def test_memory_that_waits_for_room_is_sent() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        sender = End(ours)
        with ipc.SealedMemory.of(b"pixels") as memory:
            sender.channel.send(b"filler", large(2_000_000))
            sender.channel.send(b"photo", memory=memory)
            receiver = End(its)
            assert (await receiver.messages.get()).head == b"filler"
            photo = await receiver.messages.get()
        assert photo.memory is not None
        assert photo.memory.read(0, 10) == b"pixels"
        sender.channel.close()
        receiver.channel.close()

    run_async(story)


@pytest.mark.parametrize(
    "packets",
    [
        [b"short"],
        [PREFIX.pack(2**40) + b"head"],
        [PREFIX.pack(channel.MAXIMUM_BODY + 1) + b"head"],
        [PREFIX.pack(3) + b"head", b"four"],
        [bytes(ipc.MAXIMUM_PACKET + 1)],
    ],
    ids=["no length", "a body of a terabyte", "a body over the limit", "more than stated", "too long"],
)
def test_invalid_packets_end_the_connection(packets: list[bytes], caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        end = End(ours)
        with its:
            for packet in packets:
                its.send(packet)
            await end.closed.wait()
            assert (end.messages.empty(), end.times_closed) == (True, 1)
            assert its.recv(1) == b""

    run_async(story)
    assert "the connection to another process is ended" in caplog.text


@pytest.mark.parametrize("place", ["head", "body", "head without a length", "unsealed"])
def test_a_descriptor_in_the_wrong_place_ends_the_connection_and_is_closed(place: str) -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        end = End(ours)
        with its, ipc.SealedMemory.of(b"pixels") as memory:
            sent = 0 if place == "unsealed" else memory.descriptor
            if place == "head without a length":
                ipc.send(its, b"x", [sent])
            elif place == "head":  # of a message whose body never comes
                ipc.send(its, PREFIX.pack(3) + b"head", [sent])
                its.close()
            else:
                ipc.send(its, PREFIX.pack(3) + b"head", [sent] if place == "unsealed" else [])
                ipc.send(its, b"abc", [sent])
            await end.closed.wait()
            assert end.messages.empty()

    before = descriptors()
    run_async(story)
    assert descriptors() == before


def test_messages_sent_before_the_end_arrive() -> None:
    async def story() -> None:
        here, there = map(End, ipc.pair())
        here.channel.send(b"last", large(100_000))
        here.channel.close()
        await there.closed.wait()
        assert there.messages.get_nowait().head == b"last"
        there.channel.send(b"too late")  # of no effect, and no error
        assert (here.times_closed, there.times_closed) == (0, 1)

    run_async(story)


def test_messages_of_a_peer_with_unread_packets_arrive() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        end = End(ours)
        with its:
            end.channel.send(b"unread")
            its.send(PREFIX.pack(0) + b"last words")
        await end.closed.wait()
        assert end.messages.get_nowait().head == b"last words"

    run_async(story)


def test_sending_to_a_peer_that_is_gone_is_reported_by_the_reader() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        end = End(ours)
        its.send(PREFIX.pack(0) + b"last words")
        its.close()
        end.channel.send(b"into nothing")
        assert end.times_closed == 0
        await end.closed.wait()
        assert end.messages.get_nowait().head == b"last words"
        await settle()
        assert end.times_closed == 1

    run_async(story)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ETOOMANYREFS, errno.ENOBUFS])
def test_a_message_that_cannot_be_sent_ends_the_connection(
    number: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    async def story() -> None:
        here, there = map(End, ipc.pair())
        monkeypatch.setattr(channel, "send", failing)
        here.channel.send(b"photo")
        assert here.times_closed == 0  # not within `send`, whose caller is in the middle of its work
        await here.closed.wait()
        await there.closed.wait()
        assert here.times_closed == 1

    run_async(story)
    assert os.strerror(number) in caplog.text


@pytest.mark.parametrize("error", [ValueError("planted"), OSError("planted")])
def test_a_message_that_cannot_be_processed_ends_the_connection(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        closed = asyncio.Event()

        def received(_: Message) -> None:
            raise error

        Channel(ours, received, closed.set)
        with its:
            its.send(PREFIX.pack(0) + b"head")
            await closed.wait()

    run_async(story)
    assert "planted" in caplog.text
    assert any(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)


def test_nothing_is_called_after_close() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        end = End(ours)
        with its:
            its.send(PREFIX.pack(0) + b"one")
            end.channel.close()
            end.channel.close()
            end.channel.send(b"nothing")
            await settle()
            assert (end.messages.empty(), end.times_closed) == (True, 0)

    run_async(story)


def test_a_receiver_may_close_in_the_middle_of_messages() -> None:
    async def story() -> None:
        ours, its = ipc.pair()
        came: list[bytes] = []

        def received(message: Message) -> None:
            came.append(message.head)
            closing.close()

        with its:
            for _ in range(3):
                its.send(PREFIX.pack(0) + b"one")
            closing = Channel(ours, received, lambda: came.append(b"closed"))
            await settle()
        assert came == [b"one"]

    run_async(story)


@pytest.mark.parametrize(("head", "body"), [(MAXIMUM_HEAD + 1, 0), (1, channel.MAXIMUM_BODY + 1)])
def test_a_message_over_the_limits_is_an_error_of_its_sender(head: int, body: int) -> None:
    async def story() -> None:
        here, there = map(End, ipc.pair())
        with pytest.raises(ValueError, match="a message with a head of"):
            here.channel.send(bytes(head), bytes(body))
        here.channel.close()
        await there.closed.wait()
        assert there.messages.empty()

    run_async(story)
