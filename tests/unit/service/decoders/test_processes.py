"""Processes of a pool: their number, memory, descriptors and exit."""

import asyncio
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.decoders import pool
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from service.images import decoding
from tests.unit.service.decoders.processes import (
    AREA,
    children,
    closed,
    decoded,
    descriptors,
    process_id,
    until,
)
from tests.unit.service.images.conftest import Encode

pytestmark = pytest.mark.not_quick


def test_a_child_is_reused(
    encode: Encode, runner: asyncio.Runner, decoders: DecoderPool, server: ForkServer
) -> None:
    for _ in range(5):
        runner.run(decoded(decoders, encode("PNG")))
    assert decoders.started == 1
    assert len(children(server)) == 1


def test_more_requests_than_children(encode: Encode, runner: asyncio.Runner, server: ForkServer) -> None:
    images = [encode("PNG"), encode("JPEG"), encode("AVIF"), encode("GIF")] * 16
    decoders = DecoderPool(server, 3)
    most = 0

    async def one(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
        nonlocal most
        pixels = await decoded(decoders, data)
        most = max(most, len(children(server)))
        return pixels

    async def all_at_once() -> None:
        results = await asyncio.gather(*(one(data) for data in images))
        for data, pixels in zip(images, results, strict=True):
            right = decoding.decode(data, maximum_area=AREA, honour_orientation=True)
            np.testing.assert_array_equal(pixels, right)
        await decoders.close()

    runner.run(all_at_once())
    assert most == decoders.started == 3
    assert not decoders.faults
    assert children(server) == []


def test_a_cancelled_request_ends_its_child(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer, flag: Path
) -> None:
    async def hang_up() -> None:
        request = asyncio.create_task(decoded(planted, encode("PNG") + f"#sleep?{flag}".encode()))
        await until(lambda: not flag.exists())
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await until(lambda: not children(planted_server))

    runner.run(hang_up())
    runner.run(decoded(planted, encode("PNG")))
    assert planted.started == 2
    assert not planted.faults


def test_a_request_that_is_cancelled_while_it_waits(
    encode: Encode, runner: asyncio.Runner, planted_server: ForkServer, flag: Path
) -> None:
    decoders = DecoderPool(planted_server, 1)

    async def hang_up() -> None:
        busy = asyncio.create_task(decoded(decoders, encode("PNG") + f"#sleep?{flag}".encode()))
        await until(lambda: not flag.exists())
        waiting = asyncio.create_task(decoded(decoders, encode("PNG")))
        last = asyncio.create_task(decoded(decoders, encode("PNG")))
        await asyncio.sleep(0)
        waiting.cancel()
        busy.cancel()
        await last
        assert (await asyncio.gather(waiting, busy, return_exceptions=True)).count(None) == 0
        await decoders.close()

    runner.run(hang_up())
    assert decoders.started == 2


def test_a_child_that_has_grown_is_replaced(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer
) -> None:
    runner.run(decoded(planted, encode("PNG") + b"#leak"))
    runner.run(until(lambda: not children(planted_server)))
    runner.run(decoded(planted, encode("PNG")))
    assert planted.started == 2
    assert not planted.faults


@pytest.mark.parametrize(
    ("kind", "side"),
    [*((kind, 2000) for kind in ("JPEG", "PNG", "WEBP", "TIFF")), ("AVIF", 800), ("HEIF", 800)],
)
def test_large_photos_do_not_grow_a_child(
    kind: str,
    side: int,
    encode: Encode,
    runner: asyncio.Runner,
    decoders: DecoderPool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "GROWTH", pool.GROWTH // 2)
    large = encode(kind, Image.effect_noise((side, side), 20).convert("RGB"))
    for _ in range(4):
        runner.run(decoded(decoders, large))
    assert decoders.started == 1


def test_no_descriptor_is_left_open(
    encode: Encode, runner: asyncio.Runner, planted: DecoderPool, planted_server: ForkServer
) -> None:
    async def requests() -> None:
        for action in ("segfault", "malformed: size", "malformed: area", "exit", "kill"):
            with pytest.raises((decoding.UndecodableImage, MemoryError)):
                await decoded(planted, encode("PNG") + f"#{action}".encode())
        await asyncio.gather(*(decoded(planted, encode("PNG")) for _ in range(5)))
        await planted.close()

    runner.run(requests())
    before = descriptors(), descriptors(process_id(planted_server))
    runner.run(requests())
    assert (descriptors(), descriptors(process_id(planted_server))) == before


def _has_descriptors(process: int, number: int) -> bool:
    return descriptors(process) == number


def test_descriptors_and_core_limit_of_a_child(
    encode: Encode, runner: asyncio.Runner, decoders: DecoderPool, server: ForkServer
) -> None:
    async def two() -> None:
        await asyncio.gather(*(decoded(decoders, encode("PNG")) for _ in range(2)))

    runner.run(two())
    for child in children(server):
        # Three of every process, the log, its connection and /proc/self/statm. Pixels are closed just after the reply.
        runner.run(until(partial(_has_descriptors, child, 6)))
        limits = Path(f"/proc/{child}/limits").read_text().splitlines()
        (core,) = (line.split() for line in limits if line.startswith("Max core"))
        assert core[4:6] == ["1", "1"]
    assert len(children(server)) == 2


def test_libraries_print_nothing_outside_of_the_log(
    encode: Encode, runner: asyncio.Runner, capfd: pytest.CaptureFixture[str]
) -> None:
    server = ForkServer()
    server.start()
    pool_of_one = DecoderPool(server, 1)
    photo = encode("JPEG")
    cut = photo[: len(photo) * 3 // 4]
    decoding.decode(cut, maximum_area=AREA, honour_orientation=True)
    assert "Corrupt JPEG data" in capfd.readouterr().err
    runner.run(decoded(pool_of_one, cut))
    runner.run(closed(pool_of_one, server))
    assert capfd.readouterr().err == ""


def test_one_thread_forks(
    encode: Encode, runner: asyncio.Runner, decoders: DecoderPool, server: ForkServer
) -> None:
    runner.run(decoded(decoders, encode("HEIF")))
    assert len(list(Path(f"/proc/{process_id(server)}/task").iterdir())) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_all_processes_of_the_service(
    number: signal.Signals,
    encode: Encode,
    runner: asyncio.Runner,
    decoders: DecoderPool,
    server: ForkServer,
) -> None:
    runner.run(decoded(decoders, encode("PNG")))
    for process in (process_id(server), *children(server)):
        os.kill(process, number)
    runner.run(decoded(decoders, encode("PNG")))
    assert decoders.started == 1
    assert not decoders.faults


PARENT = """
import asyncio, sys
from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from tests.unit.service.decoders.processes import PLANTED, children, decoded, process_id

async def main():
    server = ForkServer(program=PLANTED)
    pool = DecoderPool(server, 2)
    data = open(sys.argv[1], "rb").read()
    await asyncio.gather(*(decoded(pool, data) for _ in range(2)))
    requests = [asyncio.create_task(decoded(pool, data + b"#" + end)) for end in (b"sleep", b"loop")]
    await asyncio.sleep(0)
    print(process_id(server), *children(server), flush=True)
    await asyncio.gather(*requests)

asyncio.run(main())
"""


def test_all_end_with_their_parent(encode: Encode, runner: asyncio.Runner, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(encode("PNG"))
    with subprocess.Popen([sys.executable, "-c", PARENT, image], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        processes = [int(process) for process in parent.stdout.readline().split()]
        assert len(processes) == 3
        parent.kill()
    runner.run(until(lambda: not any(map(runs, processes))))


def runs(process: int) -> bool:
    """True if the process runs; an exited process that is not reaped is a zombie (Z)."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
