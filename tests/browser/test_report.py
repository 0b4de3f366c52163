"""Report in a real browser: verdict on the first screen, no horizontal overflow, no external requests."""

import html
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import history
from benchmarks.report.page import page
from tests import synthetic_result
from tests.browser import visits
from tests.synthetic_result import rich

pytestmark = pytest.mark.slow

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
    requested: page.defaultView.performance.getEntriesByType("resource").map(one => one.name)
  }});
}});
</script>
"""
"""Shows the page in a frame, which can be narrower than a window, and writes its measurements into the document."""


@pytest.fixture(scope="module")
def browser() -> str:
    return visits.program()


@pytest.fixture(scope="module")
def report() -> str:
    return page(rich(), synthetic_result.discrepancies(synthetic_result.HOSTILE, with_images=True))


def run(browser: str, folder: Path, document: str, *options: str) -> tuple[str, str]:
    """Output of the browser for a page, and its console messages."""
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
def test_the_verdict_is_on_the_first_screen_without_horizontal_overflow(
    browser: str, report: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    found = measured(browser, tmp_path, report, size)
    top, bottom = found["verdict"]
    assert 0 <= top < bottom < size[1] / 2
    assert found["wide"] <= size[0]
    assert found["loaded"]


@pytest.mark.parametrize("size", [TELEPHONE, DESK], ids=["telephone", "desk"])
def test_the_history_has_no_horizontal_overflow(browser: str, tmp_path: Path, size: tuple[int, int]) -> None:
    runs = [rich(), rich("2026-04-01T10:00:00+00:00", processor="a machine of " + 20 * "long" + " name")]
    assert measured(browser, tmp_path, history.page(runs), size)["wide"] <= size[0]


def test_the_page_makes_no_requests(browser: str, report: str, tmp_path: Path) -> None:
    requested = measured(browser, tmp_path, report, DESK)["requested"]
    assert [address for address in requested if not address.startswith("data:")] == []


def test_the_policy_blocks_external_requests(browser: str, tmp_path: Path) -> None:
    """The page's content security policy blocks external requests, and the browser reports it."""
    policy = re.search(r"<meta http-equiv[^>]*>", page(synthetic_result.quick()))
    assert policy
    page_with_requests = (
        f'<!DOCTYPE html>{policy[0]}<img src="http://photos.invalid/a.jpg"><script>1</script>'
    )
    _, console = run(browser, tmp_path, page_with_requests, "--dump-dom")
    assert "photos.invalid" in console
    assert "Content Security Policy" in console


def test_light_and_dark_schemes_differ(browser: str, report: str, tmp_path: Path) -> None:
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
    """Mean level of all pixels."""
    import cv2

    return float(cv2.imread(str(picture)).mean())  # type: ignore[union-attr]
