"""The page in a real browser: what is seen first, that nothing sticks out, and that nothing is asked of anybody."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import history
from benchmarks.report.page import page
from tests import made_up_result
from tests.made_up_result import rich

pytestmark = pytest.mark.slow

BROWSERS = ("chromium", "chromium-headless-shell", "google-chrome", "chromium-browser")
TELEPHONE, DESK = (390, 844), (1280, 800)

MEASURE = """
<!DOCTYPE html><meta charset="utf-8"><style>body {{ margin: 0 }} iframe {{ border: 0 }}</style>
<iframe width="{width}" height="{height}" srcdoc="{page}"></iframe>
<pre id="measured"></pre>
<script>
addEventListener("load", () => {{
  const page = document.querySelector("iframe").contentDocument;
  const box = page.querySelector("#verdict")?.getBoundingClientRect();
  const pictures = [...page.images];
  document.querySelector("#measured").textContent = JSON.stringify({{
    wide: page.documentElement.scrollWidth,
    verdict: box && [box.top, box.bottom],
    loaded: pictures.every(picture => picture.complete && picture.naturalWidth > 0),
    asked: page.defaultView.performance.getEntriesByType("resource").map(one => one.name)
  }});
}});
</script>
"""
"""Shows the page at a width that a window may be too wide for, and writes down what it measured."""


@pytest.fixture(scope="module")
def browser() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    pytest.skip(f"no browser here: {', '.join(BROWSERS)}")


@pytest.fixture(scope="module")
def report() -> str:
    return page(rich(), made_up_result.cases(made_up_result.HOSTILE, with_images=True))


def run(browser: str, folder: Path, document: str, *options: str) -> tuple[str, str]:
    """What the browser made of a page, and what it complained of."""
    file = folder / "page.html"
    file.write_text(document, encoding="utf-8")
    command = [
        browser,
        "--headless",
        "--no-sandbox",  # tests may run as root, in a container
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def measured(browser: str, folder: Path, document: str, size: tuple[int, int]) -> dict[str, Any]:
    width, height = size
    frame = MEASURE.format(page=html.escape(document), width=width, height=height)
    dom, console = run(browser, folder, frame, "--dump-dom")
    assert console == ""
    found = re.search(r'<pre id="measured">(.*?)</pre>', dom)
    assert found
    answer: dict[str, Any] = json.loads(html.unescape(found[1]))
    return answer


@pytest.mark.parametrize("size", [TELEPHONE, DESK], ids=["telephone", "desk"])
def test_the_verdict_is_on_the_first_screen_and_nothing_sticks_out(
    browser: str, report: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    found = measured(browser, tmp_path, report, size)
    top, bottom = found["verdict"]
    assert 0 <= top < bottom < size[1] / 2
    assert found["wide"] <= size[0]
    assert found["loaded"]


@pytest.mark.parametrize("size", [TELEPHONE, DESK], ids=["telephone", "desk"])
def test_nothing_of_the_history_sticks_out(browser: str, tmp_path: Path, size: tuple[int, int]) -> None:
    runs = [rich(), rich("2026-04-01T10:00:00+00:00", processor="a machine of " + 20 * "long" + " name")]
    assert measured(browser, tmp_path, history.page(runs), size)["wide"] <= size[0]


def test_the_page_asks_for_nothing(browser: str, report: str, tmp_path: Path) -> None:
    asked = measured(browser, tmp_path, report, DESK)["asked"]
    assert [address for address in asked if not address.startswith("data:")] == []


def test_a_page_that_did_ask_would_be_found(browser: str, tmp_path: Path) -> None:
    """The policy in the page's head keeps the browser from asking, and the browser says so."""
    policy = re.search(r"<meta http-equiv[^>]*>", page(made_up_result.quick()))
    assert policy
    asking = f'<!DOCTYPE html>{policy[0]}<img src="http://photos.invalid/a.jpg"><script>1</script>'
    _, console = run(browser, tmp_path, asking, "--dump-dom")
    assert "photos.invalid" in console
    assert "Content Security Policy" in console


def test_light_and_dark_are_two_pictures(browser: str, report: str, tmp_path: Path) -> None:
    pictures = []
    for scheme in ("0", "1"):  # dark, light
        picture = tmp_path / f"{scheme}.png"
        setting = f"--blink-settings=preferredColorScheme={scheme}"
        run(browser, tmp_path, report, setting, f"--screenshot={picture}", "--window-size=1280,800")
        pictures.append(picture)
    dark, light = (_brightness(picture) for picture in pictures)
    assert dark < 80
    assert light > 200


def _brightness(picture: Path) -> float:
    """Mean of all pixels' levels."""
    import cv2

    return float(cv2.imread(str(picture)).mean())  # type: ignore[union-attr]
