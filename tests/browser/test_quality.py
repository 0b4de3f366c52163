"""Accessibility by axe, and the weight of the page, in light, dark and narrow windows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser.visits import DESK, PHONE
from tests.calling import KEY, Caller

if TYPE_CHECKING:
    from benchmarks.processes.running import Service
    from tests.browser.conftest import VisitPage
    from tests.browser.visits import Visit

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MAXIMUM_WEIGHT = 60_000
"""Bytes, uncompressed."""
WINDOWS: dict[str, dict[str, Any]] = {
    "light": {"size": DESK, "color_scheme": "light"},
    "dark": {"size": DESK, "color_scheme": "dark"},
    "narrow": {"size": PHONE, "color_scheme": "light"},
    "narrow and dark": {"size": PHONE, "color_scheme": "dark"},
    "forced colours": {"size": DESK, "forced_colors": "active"},
}


def faults(shown: Visit) -> list[str]:
    """Axe's violations: rule and element."""
    found = Axe().run(shown.page).response["violations"]
    return [
        f"{rule['id']}: {node['html']} {node['failureSummary']}" for rule in found for node in rule["nodes"]
    ]


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
def test_axe_finds_nothing_without_and_with_results(
    service: Service, visit: VisitPage, photos: dict[str, Path], window: dict[str, Any]
) -> None:
    shown = visit(service, **window)
    shown.wait_until_live()
    assert faults(shown) == []
    shown.choose("A", photos["obama2.jpg"])
    shown.enter("wrong")
    shown.message("A", "Status 401")
    assert faults(shown) == []
    shown.enter(KEY)
    shown.message("A", "found")
    shown.choose("B", photos["astronaut.png"])
    shown.page.locator("#compare").wait_for()
    assert faults(shown) == []


def test_axe_finds_nothing_when_the_connection_is_lost(service: Service, visit: VisitPage) -> None:
    shown = visit(service)
    shown.wait_until_live()
    shown.page.evaluate("document.body.classList.add('lost')")
    assert faults(shown) == []


def test_axe_finds_a_planted_fault(service: Service, visit: VisitPage) -> None:
    shown = visit(service)
    shown.page.evaluate("document.querySelector('label[for=key]').remove()")
    assert any(fault.startswith("label: ") for fault in faults(shown))


def test_the_page_and_all_that_it_loads_are_light(service: Service, visit: VisitPage) -> None:
    caller = Caller(service.port)
    for _ in range(20):
        caller.post("/detect", caller.photo(b"no photo"))
    shown = visit(service)
    shown.wait_until_live()
    weight = shown.weight()
    assert set(weight) == {"/", "/assets/page.css", "/assets/page.js"}
    event = len(caller.get("/status").body)
    assert sum(weight.values()) + event < MAXIMUM_WEIGHT


def test_animates_nothing_for_those_who_want_no_motion(service: Service, visit: VisitPage) -> None:
    duration = "getComputedStyle(document.querySelector('.drop')).transitionDuration"
    assert visit(service, reduced_motion="reduce").page.evaluate(duration) == "0s"
    assert visit(service, reduced_motion="no-preference").page.evaluate(duration) != "0s"
