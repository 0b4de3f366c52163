"""Visits of a page in Chromium, with the browser's messages, requests and responses."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, sync_playwright

BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")
PATIENCE = 60_000
"""Milliseconds after which something hangs; no test measures the speed of the machine with it."""
STATUS_REPORT = re.compile(r"Failed to load resource: the server responded with a status of \d+")
"""Chromium's console message for each answer with an error, which no page can prevent."""
DESK, PHONE = (1280, 900), (320, 700)


def program() -> str:
    """The system's Chromium; skips the test without one."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser here: {', '.join(BROWSERS)}")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """The running Chromium of `program`."""
    executable = program()
    options = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()


class Visit:
    """A tab with the page of a service.

    Attributes:
        page: Playwright's page.
        messages: warnings and errors of the console, and exceptions of the script.
        responses: all responses.
        requested: addresses of all requests.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.messages: list[str] = []
        self.responses: list[Response] = []
        self.requested: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("console", self._reported)
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("response", lambda response: self.responses.append(response))  # Playwright wraps no built-in
        page.on("request", lambda request: self.requested.append(request.url))
        page.goto(address)

    def _reported(self, message: ConsoleMessage) -> None:
        if message.type in ("warning", "error") and not STATUS_REPORT.match(message.text):
            self.messages.append(message.text)

    @property
    def foreign(self) -> list[str]:
        """Requests to another host or port."""
        own = urlsplit(self.address).netloc
        remote = [url for url in self.requested if urlsplit(url).scheme not in ("data", "blob")]
        return [url for url in remote if urlsplit(url).netloc != own]

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        return width

    def wait_until_live(self) -> None:
        self.page.locator("#connection", has_text=re.compile("^Live$")).wait_for()

    def enter(self, key: str) -> None:
        self.page.fill("#key", key)
        self.page.press("#key", "Enter")

    def choose(self, slot: str, photo: Path) -> None:
        self.page.locator(f"[data-slot={slot}] input").set_input_files(photo)

    def message(self, slot: str, text: str) -> str:
        """The message of a slot, once it contains this text."""
        place = self.page.locator(f"[data-slot={slot}] .message", has_text=text)
        place.wait_for()
        return place.inner_text()

    def figure(self, name: str) -> str:
        return self.page.locator(f"[data-figure={name}]").inner_text()

    def weight(self) -> dict[str, int]:
        """Bytes of each file that the page has loaded; of the events, which never end, nothing."""
        sizes: dict[str, int] = {}
        for response in self.responses:
            path = urlsplit(response.url).path
            if path.endswith("/events") or urlsplit(response.url).scheme == "data":
                continue
            try:
                sizes[path] = len(response.body())
            except Error:  # a redirect or an interrupted answer has no body
                sizes[path] = 0
        return sizes
