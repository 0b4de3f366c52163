"""Cost of open pages: photos a second with browsers on the service's page, against the same service without one.

    python -m benchmarks.studies.open_pages FOLDER [--browsers 10] [--megapixels 0.3] [--photos 200] [--rounds 8]

A browser is what costs the service: a load of the page with its assets, then the stream of `/events`, which is read in
full. Rounds with and without them alternate on one service, with one caller more than there are cores.

Prints the ratio of each pair of rounds, their median and middle half. Exit status: 1 if the median is below
1 - ALLOWED.
"""

import argparse
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

import httpx

from benchmarks.harness.corpus import CorpusError, read, spread
from benchmarks.harness.http_calls import post
from benchmarks.processes.running import ServiceDied, serving
from benchmarks.throughput.jpeg_uploads import upload
from service.recognition.compute.core_count import usable_processors

ALLOWED = 0.01
"""Largest loss of photos a second, as a share."""
UPLOADS = 16
"""Different photos."""
PATHS = ("/", "assets/page.css", "assets/page.js")
"""Paths that a browser loads before it opens the stream."""
STREAM = b"GET /events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"


@contextmanager
def browsers(port: int, number: int) -> Iterator[None]:
    """Open streams of `/events`, after a load of the page each; read until the end of the context.

    Raises ConnectionError at the end if the service has closed one of them.
    """
    with ExitStack() as closing, selectors.DefaultSelector() as selector:
        for _ in range(number):
            for path in PATHS:
                httpx.get(f"http://127.0.0.1:{port}/{path.removeprefix('/')}").raise_for_status()
            stream = closing.enter_context(socket.create_connection(("127.0.0.1", port)))
            stream.sendall(STREAM)
            selector.register(stream, selectors.EVENT_READ)
        ended = threading.Event()
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(_read, selector, ended)
            try:
                yield
            finally:
                ended.set()
        reading.result()


def _read(selector: selectors.BaseSelector, ended: threading.Event) -> None:
    while not ended.is_set():
        for key, _ in selector.select(timeout=0.5):
            connection = key.fileobj
            assert isinstance(connection, socket.socket)
            if not connection.recv(65536):
                raise ConnectionError("the service has closed a stream of events")


def rate(client: httpx.Client, uploads: Sequence[bytes], photos: int, callers: int) -> float:
    """Photos a second of `callers` callers. Raises httpx.HTTPStatusError for a failed photo."""
    started = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        for response in pool.map(lambda n: post(client, uploads[n % len(uploads)]), range(photos)):
            response.raise_for_status()
    return photos / (time.perf_counter() - started)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    callers, ratios = usable_processors() + 1, []
    try:
        photos = spread(read(options.folder).photos, UPLOADS)
        uploads = [upload(photo, options.megapixels) for photo in photos]
        with serving({"FACE_MODEL": str(options.model)}) as (running, client):
            rate(client, uploads, options.photos, callers)  # the first photos allocate
            for number in range(options.rounds):
                without = rate(client, uploads, options.photos, callers)
                with browsers(running.port, options.browsers):
                    beside = rate(client, uploads, options.photos, callers)
                ratios.append(beside / without)
                print(
                    f"round {number + 1}: {without:.2f} photos a second without, {beside:.2f} with {options.browsers} "
                    f"open pages: {ratios[-1]:.4f}"
                )
    except (CorpusError, ServiceDied, ConnectionError, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    low, _, high = quantiles(ratios, n=4)
    print(f"median {median(ratios):.4f} (middle half {low:.4f} to {high:.4f}); allowed {1 - ALLOWED}")
    return int(median(ratios) < 1 - ALLOWED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--browsers", type=int, default=10)
    parser.add_argument("--megapixels", type=float, default=0.3)
    parser.add_argument("--photos", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--model", type=int, default=4)
    return parser


if __name__ == "__main__":
    sys.exit(main())
