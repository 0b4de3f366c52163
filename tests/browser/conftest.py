"""Services and a browser for the tests of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser import visits
from tests.browser.visits import DESK, Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from benchmarks.processes.running import Service
    from tests.services import StartService

VisitPage = Callable[..., Visit]
"""`visit(service, "path", size=PHONE, **options)` with options of Playwright's browser context."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium for the tests of one module: Playwright's event loop must not outlive it, for others use asyncio."""
    with visits.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def service(start_service: StartService) -> Service:
    """A ready service of model 4, shared by the tests of a module."""
    service = start_service()
    service.wait_until_ready()
    return service


@pytest.fixture
def visit(browser: Browser) -> Iterator[VisitPage]:
    """Opens a page. At the end of the test, each page has reported no error and requested nothing elsewhere."""
    opened: list[Visit] = []
    with ExitStack() as contexts:

        def visit(
            service: Service, path: str = "", *, size: tuple[int, int] = DESK, port: int = 0, **options: Any
        ) -> Visit:
            width, height = size
            context = contexts.enter_context(
                browser.new_context(viewport={"width": width, "height": height}, **options)
            )
            made = Visit(context.new_page(), f"http://127.0.0.1:{port or service.port}/{path}")
            opened.append(made)
            return made

        yield visit
        for page in opened:
            assert page.messages == []
            assert page.foreign == []
