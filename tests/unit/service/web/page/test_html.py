"""The page as HTML: each state, escaping, weight, and the headers of its files."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser

import httpx
import pytest
from starlette.applications import Starlette

from service.web.page import html
from service.web.page.status import Status
from tests.unit.service.coroutines import run_async
from tests.unit.service.web.page import statuses

NOW = datetime(2026, 11, 30, 12, 0, 5, tzinfo=UTC)
VOID = {"meta", "link", "br", "input"}
SEPARATE = {"dt", "dd", "td", "th", "br"}
"""Elements whose text is apart from the text before."""
SECTIONS = [
    "Up and ready",
    "What it does now",
    "How long it takes",
    "Recent failures",
    "Try a photo",
    "What computes",
]
MAXIMUM_WEIGHT = 60_000
"""Bytes of the page and all that it loads."""


class Reader(HTMLParser):
    """Texts, headings and elements of a page. Fails on an element that is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.headings: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.text += " " if tag in SEPARATE else ""
        if tag not in VOID:
            self.open.append(tag)
        if tag in ("h1", "h2"):
            self.headings.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"h1", "h2"} & set(self.open):
            self.headings[-1] += data

    def values(self, name: str) -> list[str]:
        return [value for _, given in self.elements if (value := given.get(name)) is not None]


def read(status: Status) -> Reader:
    return Reader(html.rendered(status, NOW))


@pytest.mark.parametrize(
    "state",
    [
        statuses.ready,
        statuses.idle,
        statuses.starting,
        statuses.on_gpu,
        statuses.with_unused_gpu,
        statuses.hostile,
    ],
)
def test_each_state_has_all_sections_and_unique_ids(state: Callable[[], Status]) -> None:
    page = read(state())
    assert page.headings[1:] == SECTIONS[1:]
    assert len(set(page.values("id"))) == len(page.values("id"))
    references = " ".join(page.values("aria-labelledby") + page.values("aria-describedby")).split()
    assert set(references + page.values("for")) <= set(page.values("id"))


def test_shows_model_device_stages_proofs_and_versions() -> None:
    text = read(statuses.ready()).text
    for shown in (
        "Up and ready",
        "4: CNN detector; faces that HOG does not confirm are not grouped",
        statuses.CPU,
        "No GPU is used: this service sees none",
        "192.168.1.123:5000",
        "Face detection (CNN)",
        "int8, then float32 near the threshold",
        "Passed. The scan in int8 was compared with float32",
        "onnxruntime 1.32.0",
    ):
        assert shown in text
    assert "onnxruntime-gpu" not in text  # not installed


def test_names_the_gpu_that_computes_and_the_cpu_beside_it() -> None:
    text = read(statuses.on_gpu()).text
    assert f"{statuses.GPU}, a GPU. The steps between the networks: {statuses.CPU}" in text
    assert "not used" not in text


def test_says_why_a_gpu_is_not_used_and_what_changes_it() -> None:
    text = read(statuses.with_unused_gpu()).text
    assert "The GPU is not used. The installed ONNX Runtime is the one for CPUs." in text
    assert "Install the one for NVIDIA: make serve ACCELERATOR=cuda." in text
    assert "<code>make serve ACCELERATOR=cuda</code>" in html.rendered(statuses.with_unused_gpu(), NOW)
    assert "this service sees none" not in text


def test_shows_figures_with_their_units() -> None:
    text = read(statuses.ready()).text
    for shown in (
        "Now 91 photos a minute",
        "Today 12,480 photos",
        "Waiting 3 photos",
        "In work 5 photos",
        "Failed today 2 photos",
        "Sent again 1 photos",
        "Worker restarts 1 since the start",
        "Memory 1.2 GiB of 3.9 GiB",
    ):
        assert shown in text


def test_shows_the_time_for_a_library_and_what_would_shorten_it() -> None:
    text = read(statuses.ready()).text
    assert "7.3 hours for 40,000 photos" in text
    assert "91.0 photos a minute, measured on 1,820 photos of 1.2 megapixels" in text
    assert "8 cores in place of 4 4.0 hours a second core gave" in text
    assert "A GPU is not in this list" in text


def test_says_how_to_get_the_time_before_there_are_photos() -> None:
    text = read(statuses.idle()).text
    assert "Not known yet" in text
    assert "./face-model estimate --photos 40000" in text


def test_while_starting_says_that_photos_wait() -> None:
    text = read(statuses.starting()).text
    assert "Starting The model is being loaded. Photos sent now wait" in text
    assert "Computes on Known after the warm-up" in text


def test_a_failed_service_points_to_its_log() -> None:
    assert "Not working" in (text := read(statuses.starting(state="failed")).text)
    assert "log says why" in text


def test_groups_failures_by_cause_with_the_repair_once() -> None:
    text = read(statuses.ready()).text
    assert text.count("Repair: Replace or delete the file") == 1
    assert "30 Nov 2026, 11:40:31 UTC unknown unknown 47 KiB" in text
    assert "412 the image has 24,000,000 pixels" in text
    assert "JPEG 6000 × 4000 5.9 MiB" in text
    assert "None since the start" in read(statuses.idle()).text


def test_escapes_every_text() -> None:
    text = html.rendered(statuses.hostile(), NOW)
    assert "<script>alert" not in text
    page = Reader(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert page.text.count(statuses.HOSTILE) >= 12
    assert not any(name.startswith("on") for _, given in page.elements for name in given)


def test_has_no_inline_style_or_script_and_relative_addresses_only() -> None:
    page = read(statuses.ready())
    assert page.values("style") == []
    assert "style" not in {tag for tag, _ in page.elements}
    addresses = page.values("href") + page.values("src")
    assert sorted(addresses, key=len)[:4] == ["docs", "#main", "status", "metrics"]
    assert not any(re.match(r"/|https?:", address) for address in addresses)


def test_the_script_knows_the_apps_limits() -> None:
    _, body = next((tag, given) for tag, given in read(statuses.ready()).elements if tag == "body")
    assert (body["data-confidence"], body["data-side"], body["data-distance"]) == ("0.99", "40", "0.4")


def test_a_hundred_failures_are_within_the_weight() -> None:
    failures = [
        statuses.too_large(second) if second % 2 else statuses.failure(second) for second in range(100)
    ]
    page = html.rendered(statuses.ready(failures=failures), NOW).encode()
    files = [path.read_bytes() for path in (html.FOLDER / "assets").iterdir()]
    assert sum(map(len, [page, *files])) < MAXIMUM_WEIGHT


def test_the_page_and_its_files_have_security_headers_and_types() -> None:
    async def source() -> Status:
        return statuses.ready()

    app = Starlette(routes=html.routes(source))

    async def story() -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            page, style = await client.get("/"), await client.get("/assets/page.css")
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-store"
        assert style.headers["content-type"] == "text/css; charset=utf-8"
        for answer in (page, style):
            assert answer.headers["referrer-policy"] == "no-referrer"
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            for closed in ("base-uri", "form-action", "frame-ancestors"):
                assert f"{closed} 'none'" in policy

    run_async(story)
