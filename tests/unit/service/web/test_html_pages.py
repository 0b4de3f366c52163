"""Headers and files of HTML pages."""

from pathlib import Path

import httpx
from starlette.applications import Starlette

from service.web.html_pages import asset_paths, asset_routes, page_headers
from tests.unit.service.coroutines import run_async

NAMES = ("a.css", "a.js")


def test_directives_are_added_to_the_closed_policy() -> None:
    policy = page_headers("img-src data:")["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'none'"
    assert policy[-1] == "img-src data:"
    assert page_headers()["content-security-policy"].split("; ") == policy[:-1]


def test_files_have_their_type_and_the_headers_of_the_page(tmp_path: Path) -> None:
    for name in (*NAMES, "private"):
        (tmp_path / name).write_text(name)
    app = Starlette(routes=asset_routes(tmp_path, NAMES, page_headers()))

    async def story() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            style, script = [await client.get(path) for path in asset_paths(NAMES)]
            assert (await client.get("/assets/private")).status_code == 404
        assert (style.text, style.headers["content-type"]) == ("a.css", "text/css; charset=utf-8")
        assert (script.text, script.headers["content-type"]) == ("a.js", "text/javascript; charset=utf-8")
        for answer in (style, script):
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["content-security-policy"] == page_headers()["content-security-policy"]

    run_async(story)
