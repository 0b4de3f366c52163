"""Headers for browsers, and pages of other origins that try to read an answer."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from service.web.app import PATHS
from tests.browser import visits
from tests.unit.service.conftest import KEY, client
from tests.unit.service.raw_http import answers, connect
from tests.waiting import eventually

if TYPE_CHECKING:
    from tests.unit.service.conftest import Server

EVIL = {"origin": "https://evil.example", "referer": "https://evil.example/"}
NEVER_KEPT = {
    "/detect",
    "/compute",
    "/open",
    "/info",
    "/metrics",
    "/status",
    "/ready",
    "/welcome",
    "/nothing",
}
"""Paths with faces, keys or states; the others are files of the service."""
PREFLIGHT = {
    **EVIL,
    "access-control-request-method": "POST",
    "access-control-request-headers": "x-api-key",
    "access-control-request-private-network": "true",
}


def _head(caller: httpx.Client, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    """The head of an answer, which may have no end (`/events`)."""
    with caller.stream("GET", path, headers=headers) as answer:
        return answer


def test_every_answer_has_the_headers(serving: Server, key_header: dict[bytes, bytes], png: bytes) -> None:
    with serving() as port, client(port, key_header) as caller:
        answered = [_head(caller, path) for path in (*PATHS, "/nothing")]
        answered += [caller.post("/detect", files={"file": ("a", png)}), caller.post("/detect", content=b"x")]
        answered += [caller.get("/open", headers={"x-api-key": "wrong"})]
    assert {answer.status_code for answer in answered} >= {200, 400, 401, 404, 405}
    for answer in answered:
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        assert len(answer.headers.get_list("cache-control")) == 1
        assert answer.headers.get_list("cross-origin-resource-policy") == ["same-origin"]
    kept = {answer.url.path for answer in answered if answer.headers["cache-control"] != "no-store"}
    assert kept.isdisjoint(NEVER_KEPT), "a cache may keep it"


def test_a_rejected_request_gets_no_guessed_type(serving: Server) -> None:
    with serving() as port, connect(port) as caller:
        caller.sendall(b"<script>alert(1)</script>\r\n\r\n")
        (answered,) = answers(caller)
    assert answered.headers["x-content-type-options"] == "nosniff"
    assert answered.headers["content-type"] == "application/json"


def test_no_answer_lets_another_origin_read_it(serving: Server, key_header: dict[bytes, bytes]) -> None:
    with serving() as port, client(port) as caller, client(port, key_header) as keyed:
        answered = [_head(each, path, EVIL) for each in (caller, keyed) for path in PATHS]
        answered += [caller.request("GET", "/open", headers={**EVIL, "x-api-key": "wrong"})]
        preflights = [caller.options(path, headers=PREFLIGHT) for path in PATHS]
    assert {answer.status_code for answer in preflights} == {405}
    for answer in answered + preflights:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@contextmanager
def _page() -> Iterator[str]:
    """An empty page of another origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - of the base class
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


SCRIPT = """async ([address, key]) => {
  const tried = {};
  const attempt = async (name, path, options) => {
    try {
      const answer = await fetch(address + path, options);
      tried[name] = answer.type + " " + (await answer.text()).length;
    } catch (error) { tried[name] = "refused"; }
  };
  const form = new FormData(); form.append("file", new Blob(["x"]), "a");
  for (const path of ["/welcome", "/metrics", "/health", "/ready"]) await attempt(path, path, {});
  await attempt("key", "/open", {headers: {"x-api-key": key}});
  await attempt("form", "/detect", {method: "POST", body: form});
  await attempt("opaque", "/metrics", {mode: "no-cors"});
  return tried;
}"""


@pytest.mark.not_quick
def test_a_browser_hides_the_answers_from_a_page_of_another_origin(serving: Server) -> None:
    with serving() as port, _page() as page_of_another, visits.chromium() as browser:
        with client(port) as caller:
            eventually("ready", lambda: caller.get("/ready").status_code == 200)
        page = browser.new_page()
        page.goto(page_of_another)
        tried = page.evaluate(SCRIPT, [f"http://127.0.0.1:{port}", KEY.encode("ascii", "ignore").decode()])
    assert set(tried.values()) == {"refused"}, json.dumps(tried)
