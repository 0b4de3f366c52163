"""The forecast of a running service, from its `/status`."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.commands.estimate import running
from service.commands.shared.client import Service
from service.commands.shared.errors import CommandError
from service.estimate.library import Option
from service.estimate.resources import Replica
from service.web.page.status import Estimate
from tests.command_line import command

ESTIMATE = {
    "photos": 40_000,
    "hours": 2.0,
    "photos_per_minute": 333.3,
    "mean_megapixels": 1.2,
    "sample": 300,
    "options": [{"change": "4 cores", "hours": 1.0, "source": "measured"}],
}


@contextmanager
def _status(content: object) -> Iterator[Service]:
    """A server with this `/status`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(content).encode()
            self.send_response(200 if self.path == "/status" else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        log_message: Callable[..., None] = lambda *_: None

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Service(f"http://127.0.0.1:{server.server_port}")
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.not_quick
def test_hours_are_those_of_the_given_number_of_photos() -> None:
    with _status({"state": "ready", "estimate": ESTIMATE}) as service:
        found = running.forecast(service, 10_000)
    assert (found.photos, found.hours, found.photos_per_minute, found.sample) == (10_000, 0.5, 333.3, 300)
    assert found.options == [Option("4 cores", 0.25, "measured")]
    assert found.replica is None  # of a version without `busy_share`


@pytest.mark.not_quick
def test_a_replica_has_the_rate_without_the_pauses_of_the_callers(tmp_path: Path) -> None:
    """The command as a process, on an estimate of this version: 4 photos a second in 80 % of the time."""
    estimate = Estimate.model_validate(
        {**ESTIMATE, "photos_per_minute": 240, "busy_share": 0.8, "at_once": 2}
    )
    with _status({"estimate": estimate.model_dump()}) as service:
        assert running.forecast(service, 10_000).replica == Replica(5.0, 2, 1.2)
        done = command(
            tmp_path, "estimate", "--photos", "9000", "--replicas", "3", "--json", "--url", service.url
        )
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["photos_per_minute"] == 240
    assert (found["replicas"]["hours"], found["replicas"]["bottleneck"]) == (pytest.approx(1 / 6), "replicas")


@pytest.mark.not_quick
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"estimate": None}, "too few photos"),
        ({"state": "ready"}, "another version"),
        ({"estimate": {"hours": "soon"}}, "another version"),
        ({"estimate": {**ESTIMATE, "photos": 0}}, "another version"),
    ],
)
def test_a_service_without_an_estimate_is_a_fault_with_a_way_out(content: object, message: str) -> None:
    with _status(content) as service, pytest.raises(CommandError, match=message):
        running.forecast(service, 10_000)
