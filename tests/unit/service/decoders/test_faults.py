"""Faults of a decoder: its child is replaced, and its image refused after the second fault."""

import asyncio
import os
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.decoders import limits
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool, DecodersUnavailable
from service.images import decoding
from service.images.errors import UndecodableImage
from tests.unit.service.decoders.planted import CPU_SECONDS
from tests.unit.service.decoders.processes import AREA, children, closed, decoded, process_id, until
from tests.unit.service.images.conftest import Encode

pytestmark = pytest.mark.not_quick


def assert_decodes(runner: asyncio.Runner, pool: DecoderPool, data: bytes) -> None:
    right = decoding.decode(data, maximum_area=AREA, honour_orientation=True)
    np.testing.assert_array_equal(runner.run(decoded(pool, data)), right)


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        ("segfault", "SIGSEGV"),
        ("abort", "SIGABRT"),
        ("exit", "exit status 7"),
        ("kill", "SIGKILL"),
        ("bomb", "memory limit"),
    ],
)
def test_a_transient_fault_is_retried(
    action: str, fault: str, flag: Path, encode: Encode, runner: asyncio.Runner, planted: DecoderPool
) -> None:
    assert_decodes(runner, planted, encode("PNG") + f"#{action}?{flag}".encode())
    assert planted.faults == {fault: 1}
    assert planted.started == 2


@pytest.mark.parametrize(
    ("action", "fault", "words"),
    [
        ("segfault", "SIGSEGV", "ended with SIGSEGV"),
        ("abort", "SIGABRT", "ended with SIGABRT"),
        ("exit", "exit status 7", "ended with exit status 7"),
        ("bomb", "memory limit", "far more memory"),
        ("malformed: size", "malformed reply", "cannot be right"),
        ("malformed: none", "malformed reply", "cannot be right"),
        ("malformed: area", "malformed reply", "cannot be right"),
        ("malformed: kind", "malformed reply", "cannot be right"),
    ],
)
def test_a_repeated_fault_refuses_the_image(
    action: str, fault: str, words: str, encode: Encode, runner: asyncio.Runner, planted: DecoderPool
) -> None:
    with pytest.raises(UndecodableImage, match=words):
        runner.run(decoded(planted, encode("PNG") + f"#{action}".encode()))
    assert planted.faults == {fault: 2}
    assert_decodes(runner, planted, encode("PNG"))


def test_an_endless_loop_ends_at_its_cpu_time_and_is_not_retried(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool
) -> None:
    with pytest.raises(UndecodableImage, match="far more time"):
        runner.run(decoded(planted, encode("PNG") + b"#loop"))
    assert planted.faults == {"CPU time": 1}
    assert_decodes(runner, planted, encode("PNG"))


def test_each_image_has_the_whole_cpu_time(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer
) -> None:
    data = encode("PNG", Image.effect_noise((500, 500), 80).convert("RGB"))
    runner.run(decoded(planted, data))
    (child,) = children(planted_server)
    while cpu_seconds(child) < 2 * CPU_SECONDS:
        runner.run(decoded(planted, data))
    assert not planted.faults
    assert planted.started == 1


def cpu_seconds(process: int) -> float:
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def test_a_child_without_a_reply(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WALL_SECONDS_PER_CPU_SECOND", 0.05)
    with pytest.raises(UndecodableImage, match="gave no answer"):
        runner.run(decoded(planted, encode("PNG") + b"#sleep"))
    assert planted.faults == {"no reply": 2}


def test_two_kills_by_the_kernel_are_a_memory_error(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool
) -> None:
    with pytest.raises(MemoryError):
        runner.run(decoded(planted, encode("PNG") + b"#kill"))
    assert planted.faults == {"SIGKILL": 2}


@pytest.mark.parametrize(
    ("kind", "side"),
    [
        *((kind, 4500) for kind in ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF")),
        ("AVIF", 2500),
        ("HEIF", 2500),
    ],
)
def test_a_system_without_memory_is_no_fault_of_the_image(
    kind: str, side: int, encode: Encode, runner: asyncio.Runner, scarce: DecoderPool
) -> None:
    large = encode(kind, Image.new("RGB", (side, side)))
    with pytest.raises(MemoryError):
        runner.run(decoded(scarce, large, 10**9))
    assert_decodes(runner, scarce, encode(kind))
    assert not scarce.faults
    assert scarce.started == 1


def test_a_fork_server_that_is_killed_with_an_idle_child(
    encode: Encode, runner: asyncio.Runner, own: DecoderPool, own_server: ForkServer
) -> None:
    assert_decodes(runner, own, encode("PNG"))
    os.kill(process_id(own_server), signal.SIGKILL)
    runner.run(until(lambda: not own._idle[0].is_idle))
    assert_decodes(runner, own, encode("PNG"))
    assert own_server.started == 2
    assert own.faults == {}


def test_a_fork_server_that_is_killed_with_an_image_in_progress(
    flag: Path, encode: Encode, runner: asyncio.Runner, own: DecoderPool, own_server: ForkServer
) -> None:
    async def killed() -> None:
        request = asyncio.create_task(decoded(own, encode("PNG") + f"#sleep?{flag}".encode()))
        await until(lambda: not flag.exists())
        os.kill(process_id(own_server), signal.SIGKILL)
        await request

    runner.run(killed())
    assert own_server.started == 2
    assert own.faults == {"no decoder process": 1}


def test_a_fork_server_that_ends_at_every_start(encode: Encode, runner: asyncio.Runner) -> None:
    server = ForkServer(program=("-c", "raise SystemExit(3)"))
    pool = DecoderPool(server, 2)
    try:
        with pytest.raises(DecodersUnavailable):
            runner.run(decoded(pool, encode("PNG")))
        assert server.started == 2
    finally:
        runner.run(closed(pool, server))


def test_a_child_that_is_killed_while_it_is_idle(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer
) -> None:
    assert_decodes(runner, planted, encode("PNG"))
    (child,) = children(planted_server)
    os.kill(child, signal.SIGKILL)
    runner.run(until(lambda: not planted._idle[0].is_idle))
    assert_decodes(runner, planted, encode("PNG"))
    assert not planted.faults
    runner.run(until(lambda: child not in children(planted_server)))


def test_a_busy_child_that_is_killed(
    flag: Path, encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer
) -> None:
    async def killed() -> None:
        request = asyncio.create_task(decoded(planted, encode("PNG") + f"#sleep?{flag}".encode()))
        await until(lambda: not flag.exists())
        (child,) = children(planted_server)
        os.kill(child, signal.SIGKILL)
        await request

    runner.run(killed())
    assert planted.faults == {"SIGKILL": 1}


def test_the_log_names_format_size_and_fault_alone(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    data = encode("PNG") + b"#segfault"
    with pytest.raises(UndecodableImage):
        runner.run(decoded(planted, data))
    image = f"PNG of 64 x 40 pixels, {len(data)} bytes"
    assert [record.getMessage() for record in caplog.records] == [
        f"a decoder failed: SIGSEGV. {image}, retried in a fresh one",
        f"a decoder failed: SIGSEGV. {image}, not retried",
    ]
