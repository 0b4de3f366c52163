"""Killed and concurrent processes. No test depends on the speed of the machine."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from model_store.atomic import TEMPORARY_ENDING
from model_store.models import FIVE_POINTS
from model_store.store import WeightStore
from tests.paths import ROOT
from tests.unit.model_store.conftest import Server, send
from tests.waiting import eventually

TIMEOUT_S = 60

FETCH = """
import json, logging, sys
from dataclasses import replace
from pathlib import Path
from model_store.catalog import load_catalog
from model_store.store import WeightStore

root, url, name = json.loads(sys.argv[1])
logging.basicConfig(format="%(message)s", level=logging.INFO)
catalog = load_catalog()
weight = replace(catalog.weight(name), sources=("upstream",))
catalog = replace(catalog, upstream_url=url + "/{name}.dat.bz2", weights={name: weight})
WeightStore(Path(root), catalog).fetch([name])
"""


def start_fetch(root: Path, server: Server) -> subprocess.Popen[str]:
    arguments = json.dumps([str(root), server.url, FIVE_POINTS])
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, arguments], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def half_written(folder: Path) -> list[Path]:
    return [path for path in folder.glob(f".*{TEMPORARY_ENDING}") if path.stat().st_size > 0]


def test_killed_fetch_leaves_the_weight_missing(
    tmp_path: Path, server: Server, five_points_bz2: bytes
) -> None:
    def stall(handler: BaseHTTPRequestHandler) -> None:
        send(handler, five_points_bz2[: len(five_points_bz2) // 2], len(five_points_bz2))
        server.released.wait(TIMEOUT_S)

    server.responses[f"/{FIVE_POINTS}.dat.bz2"] = stall
    store = WeightStore(tmp_path, server.catalog())
    with start_fetch(tmp_path, server) as process:
        eventually("a file or an exit", lambda: half_written(store.folder) or process.poll() is not None)
        assert process.poll() is None, process.communicate()[1]
        process.kill()
        process.communicate()

    assert len(half_written(store.folder)) == 1
    assert store.status([FIVE_POINTS])[0].state == "missing"

    server.give(FIVE_POINTS, five_points_bz2)
    store.fetch([FIVE_POINTS])

    assert {path.name for path in store.folder.iterdir()} == {".lock", f"{FIVE_POINTS}.dat"}


def test_two_concurrent_fetches_download_once(tmp_path: Path, server: Server, five_points_bz2: bytes) -> None:
    requested, go_on = threading.Event(), threading.Event()

    def wait_and_give(handler: BaseHTTPRequestHandler) -> None:
        requested.set()
        go_on.wait(TIMEOUT_S)
        send(handler, five_points_bz2, len(five_points_bz2))

    server.responses[f"/{FIVE_POINTS}.dat.bz2"] = wait_and_give
    with start_fetch(tmp_path, server) as first:
        assert requested.wait(TIMEOUT_S)
        with start_fetch(tmp_path, server) as second:
            assert second.stderr is not None
            assert "waiting for another process" in second.stderr.readline()
            go_on.set()
            first_log, second_log = first.communicate()[1], second.communicate()[1]

    assert (first.returncode, second.returncode) == (0, 0), first_log + second_log
    assert len(server.hits) == 1
    assert WeightStore(tmp_path).path(FIVE_POINTS).is_file()
