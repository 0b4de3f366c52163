"""The page of the HTTP API in a real browser: readable at every width, accessible, and without other hosts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

    from benchmarks.processes.running import Service
    from tests.browser.conftest import VisitPage

pytestmark = [pytest.mark.slow, pytest.mark.browser]

BELOW_A_PATH = "https://faces.example/models/face"
"""Address of the service behind a proxy."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 768, 1280])
def test_is_accessible_and_fits(visit: VisitPage, service: Service, width: int, scheme: str) -> None:
    shown = visit(service, "docs", size=(width, 800), color_scheme=scheme)
    assert shown.overflow <= 0
    assert Axe().run(shown.page).response["violations"] == []
    assert sorted(url.rpartition("/")[2] for url in shown.requested) == ["docs", "docs.css", "docs.js"]
    background = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 300) == (scheme == "dark")


def test_links_of_the_contents_lead_to_operations(visit: VisitPage, service: Service) -> None:
    page = visit(service, "docs").page
    page.get_by_role("link", name="GET /openapi.json").click()
    assert page.evaluate("document.querySelector(':target').id") == "openapi.json"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.tagName") == "A"


def test_shows_the_address_behind_a_proxy(browser: Browser, service: Service) -> None:
    def forward(route: Route) -> None:
        inside = route.request.url.removeprefix(BELOW_A_PATH)
        route.fulfill(response=route.fetch(url=f"http://127.0.0.1:{service.port}{inside}"))

    with browser.new_context() as context:
        context.route(f"{BELOW_A_PATH}/**", forward)
        page = context.new_page()
        page.goto(f"{BELOW_A_PATH}/docs")
        examples = page.locator("pre").all_inner_texts()
        assert examples
        assert all(f" {BELOW_A_PATH}/" in example for example in examples)
        assert page.evaluate("getComputedStyle(document.querySelector('nav ul')).listStyleType") == "none"
