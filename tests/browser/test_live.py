"""The page of a real service: from its start, through the death of its worker, to its end."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from benchmarks.processes.running import free_port
from tests.browser.visits import PHONE
from tests.calling import KEY, Caller
from tests.waiting import eventually

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.browser.conftest import VisitPage
    from tests.services import StartService

pytestmark = [pytest.mark.slow, pytest.mark.browser]

HEADLINE = "#headline"


@contextmanager
def paused_worker(service: Service) -> Iterator[int]:
    """Pauses the worker process as soon as there is one; yields its process ID. It continues in any case: a paused
    worker would outlive its service."""
    eventually("a worker", lambda: service.worker_pid != service.process.pid)
    os.kill(pid := service.worker_pid, signal.SIGSTOP)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def test_appears_while_the_worker_starts_and_follows_it(
    start_service: StartService, visit: VisitPage
) -> None:
    service = start_service()
    with paused_worker(service):
        eventually("the service listens", lambda: _listens(f"{service.port}"))
        shown = visit(service)
        assert shown.page.inner_text(HEADLINE) in ("Starting", "Warming up")
        shown.page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length == 1")
        shown.wait_until_live()
    shown.page.locator(HEADLINE, has_text="Up and ready").wait_for()
    shown.page.locator("#computes", has_text="Face detection (CNN)").wait_for()
    assert shown.page.title().startswith("Up and ready")


def _listens(port_and_path: str) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port_and_path}/health").is_success
    except httpx.TransportError:
        return False


def test_a_photo_is_answered_although_its_worker_is_killed(
    start_service: StartService, visit: VisitPage, photos: dict[str, Path]
) -> None:
    service = start_service()
    service.wait_until_ready()
    shown = visit(service)
    shown.enter(KEY)
    with paused_worker(service) as worker:
        shown.choose("A", photos["obama2.jpg"])
        shown.message("A", "Waiting for the answer")
        shown.page.locator("[data-figure=waiting]", has_text="1").wait_for()
        os.kill(worker, signal.SIGKILL)
    assert shown.message("A", "found") == "1 face found."
    shown.page.locator("[data-figure=worker_restarts]", has_text="1").wait_for()
    shown.page.locator(HEADLINE, has_text="Up and ready").wait_for()


def test_says_when_the_connection_is_lost_and_connects_again(
    start_service: StartService, visit: VisitPage
) -> None:
    service = start_service()
    service.wait_until_ready()
    shown = visit(service)
    shown.wait_until_live()
    service.close()
    shown.page.locator("#connection", has_text="Connection lost, trying again. Last seen").wait_for()
    again = start_service(PORT=str(service.port))
    again.wait_until_ready()
    shown.wait_until_live()
    refused = [message for message in shown.messages if "net::ERR_" in message]
    shown.messages[:] = [message for message in shown.messages if message not in refused]


def test_asks_for_the_state_if_there_are_no_events(service: Service, visit: VisitPage) -> None:
    shown = visit(service, "nothing")
    shown.page.route("**/events", lambda route: route.fulfill(status=503))
    shown.page.goto(f"http://127.0.0.1:{service.port}/")
    shown.wait_until_live()


def test_figures_and_failures_follow_the_photos(
    start_service: StartService, visit: VisitPage, portrait: bytes
) -> None:
    service = start_service()
    service.wait_until_ready()
    shown = visit(service)
    assert "None since the start." in shown.page.inner_text("#failures")
    caller = Caller(service.port)
    caller.post("/detect", caller.photo(portrait))
    caller.post("/detect", caller.photo(b"no photo"))
    shown.page.locator("[data-figure=photos_today]", has_text="1").wait_for()
    shown.page.locator("[data-figure=failed_today]", has_text="1").wait_for()
    shown.page.locator("#failures .status", has_text="415").wait_for()
    assert "Repair:" in shown.page.inner_text("#failures")
    assert re.fullmatch(r"M\d+ (90|100)v-10h8v10z", shown.page.get_attribute("#failed-bars", "d") or "")
    assert "1 answered, 1 failed" in shown.page.inner_text("#hour")


def test_scales_the_time_to_the_library(
    start_service: StartService, visit: VisitPage, portrait: bytes
) -> None:
    service = start_service()
    service.wait_until_ready()
    shown = visit(service)
    assert "Not known yet" in shown.page.inner_text("#estimate")
    shown.page.fill("#library", "123456")
    assert "estimate --photos 123456" in shown.page.inner_text("#estimate")
    caller = Caller(service.port)
    eventually(
        "an estimate",
        lambda: (
            caller.post("/detect", caller.photo(portrait)).status == 200
            and caller.get("/status").json["estimate"]
        ),
    )
    shown = visit(service)
    whole = float(shown.page.locator(".answer [data-hours]").first.get_attribute("data-hours") or 0)
    shown.page.fill("#library", str(40_000 * 1000))
    days = shown.page.locator(".answer [data-hours]").first.inner_text()
    assert days.replace(",", "") == f"{1000 * whole / 24:.1f} days".replace(".0 ", " ")


def test_the_figures_are_complete_without_javascript(service: Service, visit: VisitPage) -> None:
    shown = visit(service, java_script_enabled=False)
    text = shown.page.inner_text("body")
    for expected in ("Up and ready", "Face detection (CNN)", "photos a minute", "Not known yet", "GiB"):
        assert expected in text
    assert "Reload the page for new figures" in text
    assert "This part needs JavaScript" in text
    assert not shown.page.locator("#try").is_visible()


def test_a_phone_shows_it_without_horizontal_overflow(
    service: Service, visit: VisitPage, photos: dict[str, Path]
) -> None:
    shown = visit(service, size=PHONE)
    assert shown.overflow == 0
    shown.enter(KEY)
    shown.choose("A", photos["astronaut.png"])
    shown.message("A", "found")
    assert shown.overflow == 0


def test_says_why_a_gpu_that_was_asked_for_does_not_compute(
    start_service: StartService, visit: VisitPage
) -> None:
    service = start_service(FACE_PROVIDERS="cuda", FACE_ALLOW_FALLBACK="true")
    service.wait_until_ready()
    note = visit(service).page.inner_text(".note")
    assert "The GPU is not used. The CPU computes, since the GPU cannot" in note
    assert "Remove this cause, and restart the service" in note


def test_off_removes_it(start_service: StartService) -> None:
    service = start_service(FACE_PAGE="off")
    service.wait_until_ready()
    for path in ("/", "/status", "/events", "/assets/page.css", "/assets/page.js"):
        assert httpx.get(f"http://127.0.0.1:{service.port}{path}").status_code == 404


NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 16m; proxy_max_temp_file_size 0;
  server {{
    listen 127.0.0.1:{port};
    location /faces/ {{ proxy_pass http://127.0.0.1:{upstream}/; client_max_body_size 130m; proxy_read_timeout 1h; }}
  }}
}}
"""


def test_works_behind_a_proxy_with_a_path_prefix(
    service: Service, visit: VisitPage, photos: dict[str, Path], tmp_path: Path
) -> None:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None:
        pytest.skip("no nginx here")
    port = free_port()
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(NGINX.format(folder=tmp_path, port=port, upstream=service.port))
    with subprocess.Popen([nginx, "-c", configuration]) as proxy:
        try:
            eventually("nginx listens", lambda: _listens(f"{port}/faces"))
            shown = visit(service, "faces/", port=port)
            shown.wait_until_live()
            shown.enter(KEY)
            shown.choose("A", photos["obama2.jpg"])
            assert shown.message("A", "found") == "1 face found."
        finally:
            proxy.terminate()
