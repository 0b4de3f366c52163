"""The page of the HTTP API in a real browser: readable at every width, accessible, and without other hosts."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.running import Service
from tests.services import StartService

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")
BELOW_A_PATH = "https://faces.example/models/face"
"""Address of the service behind a proxy."""


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    running = start_service(FACE_MODEL="3")
    running.wait_until_ready()
    return running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser here: {', '.join(BROWSERS)}")
    with sync_api.sync_playwright() as playwright:
        # Tests may run as root, in a container.
        opened = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


def opened(
    browser: Browser, service: Service, width: int = 1280, scheme: str = "light"
) -> tuple[Page, list[str]]:
    """The page, and a list of its requests and of the messages on its console."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    page, seen = context.new_page(), []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(f"console: {message.text}"))
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    return page, seen


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_is_accessible_and_fits(browser: Browser, service: Service, width: int, scheme: str) -> None:
    page, seen = opened(browser, service, width, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert axe.Axe().run(page).response["violations"] == []
    assert sorted(url.rpartition("/")[2] for url in seen) == ["docs", "docs.css", "docs.js"]
    assert all(url.startswith(f"http://127.0.0.1:{service.port}/") for url in seen)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == (scheme == "dark")


def test_links_of_the_contents_lead_to_operations(browser: Browser, service: Service) -> None:
    page, _ = opened(browser, service)
    page.get_by_role("link", name="GET /openapi.json").click()
    assert page.evaluate("document.querySelector(':target').id") == "openapi.json"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"


def test_shows_the_address_behind_a_proxy(browser: Browser, service: Service) -> None:
    def forward(route: Route) -> None:
        inside = route.request.url.removeprefix(BELOW_A_PATH)
        route.fulfill(response=route.fetch(url=f"http://127.0.0.1:{service.port}{inside}"))

    context = browser.new_context()
    context.route(f"{BELOW_A_PATH}/**", forward)
    page = context.new_page()
    page.goto(f"{BELOW_A_PATH}/docs")
    examples = page.locator("pre").all_inner_texts()
    assert examples
    assert all(f" {BELOW_A_PATH}/" in example for example in examples)
    assert page.evaluate("getComputedStyle(document.querySelector('nav ul')).listStyleType") == "none"
