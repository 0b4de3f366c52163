"""Report page: required and forbidden content, and independence of external files."""

import re
from html.parser import HTMLParser

import pytest
from markupsafe import escape

from benchmarks.harness.results import Figure, Key, Result, Series, Verdict
from benchmarks.report import plots
from benchmarks.report.page import page
from benchmarks.report.verdict import QUESTIONS
from tests import synthetic_result
from tests.synthetic_result import HOSTILE, quick, rich

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Parsed(HTMLParser):
    """Elements of the page, and a complaint for each unbalanced tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.complaints: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        self.complaints += [f"<{tag}> is never closed" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.complaints.append(f"</{tag}> closes something else")

    def having(self, name: str) -> list[str]:
        return [attributes[name] or "" for _, attributes in self.elements if name in attributes]


def banner(text: str) -> tuple[str, str]:
    """Status and headline of the verdict."""
    found = re.search(r'<div class="banner (\w+)" id="verdict".*?<strong>(.*?)</strong>', text, re.DOTALL)
    assert found
    return found[1], found[2]


@pytest.mark.not_quick
def test_the_page_is_well_formed_and_self_contained() -> None:
    parsed = Parsed(page(rich(), synthetic_result.discrepancies(with_images=True)))
    assert not parsed.complaints
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in parsed.elements}
    references = [*parsed.having("src"), *parsed.having("href"), *parsed.having("xlink:href")]
    assert references
    assert all(reference.startswith(("data:image/jpeg;base64,", "#")) for reference in references)
    ids = parsed.having("id")
    assert len(ids) == len(set(ids))
    assert {reference[1:] for reference in references if reference.startswith("#")} <= set(ids)
    assert set(parsed.having("aria-labelledby")) <= set(ids)
    assert all(parsed.having("alt"))


@pytest.mark.not_quick
def test_rendering_is_deterministic() -> None:
    assert page(rich()) == page(rich())


def test_escapes_hostile_names() -> None:
    result = rich(processor=HOSTILE)
    result.verdicts.append(Verdict(gate=HOSTILE, question="same", status="red", says=HOSTILE))
    text = page(result, synthetic_result.discrepancies(HOSTILE, with_images=True))
    parsed = Parsed(text)
    assert not parsed.complaints
    assert not parsed.having("onerror")
    assert HOSTILE not in text
    assert f"Face of the baseline, drawn on {HOSTILE}" in parsed.having("alt")


def test_replaces_bytes_that_are_not_utf8_in_names() -> None:
    assert (
        "gr\N{REPLACEMENT CHARACTER}n.jpg"
        in page(quick(), synthetic_result.discrepancies("gr\udcfcn.jpg")).encode().decode()
    )


@pytest.mark.parametrize("with_images", [False, True])
def test_shows_photos_only_on_request(with_images: bool) -> None:
    text = page(quick(), synthetic_result.discrepancies(with_images=with_images))
    assert ("<img" in text) == with_images
    assert ("base64" in text) == with_images
    assert "holiday.jpg" in text
    assert "confidence 0.990120" in text
    assert "candidate: no face" in " ".join(text.split())


def judged(*more: Verdict, complete: bool = True) -> Result:
    """Result with the verdicts of `rich` and more, without figures."""
    verdicts = [*rich().verdicts, *more]
    return Result(made="2026-03-01", plan="full", complete=complete, verdicts=verdicts)


def test_a_green_banner_names_the_questions_not_judged() -> None:
    text = page(judged())
    assert banner(text) == ("green", "Safe to switch")
    assert "Not judged: is it accurate?" in text
    assert re.search(r'<section class="card answer abstains">\s*<h2>Is it accurate\?</h2>', text)
    assert "Too few faces to judge" in text


@pytest.mark.parametrize("complete", [False, True])
def test_one_red_gate_makes_the_banner_red(complete: bool) -> None:
    text = page(
        judged(Verdict(gate="chips", question="same", status="red", says="3 differ"), complete=complete)
    )
    assert banner(text) == ("red", "Do not switch")
    assert "They differ" in text
    assert ("The run is incomplete" in text) != complete


def test_an_interrupted_run_is_red() -> None:
    assert banner(page(judged(complete=False))) == ("red", "Incomplete: do not switch")


@pytest.mark.parametrize(
    "verdicts",
    [
        [],
        [Verdict(gate="faces", question="same", status="abstains", says="no face")],
        [Verdict(gate="speed", question="faster", status="green", says="3 times")],
    ],
)
def test_the_banner_is_not_green_without_a_verdict_on_the_answers(verdicts: list[Verdict]) -> None:
    result = Result(made="2026-03-01", plan="quick", complete=True, verdicts=verdicts)
    assert banner(page(result)) == ("abstains", "Not judged")


def test_every_plot_appears_for_a_full_run() -> None:
    text = page(rich())
    for plot in plots.PLOTS:
        assert re.search(f"<h3>{escape(plot.title)}(, model 4)?</h3>", text), plot.title
    assert "Not measured" not in text


def test_a_quick_run_names_the_missing_plots() -> None:
    text = page(quick())
    assert "aria-labelledby" not in text
    assert text.count("Not measured in this run.") == 2
    assert "Not measured in this run: difference of confidences near the app&#39;s threshold." in text


@pytest.mark.not_quick
@pytest.mark.parametrize("plot", plots.PLOTS, ids=lambda plot: plot.title)
def test_omits_a_plot_without_data(plot: plots.Plot) -> None:
    result = rich()
    result.figures = [figure for figure in result.figures if figure.key.section != plot.source]
    result.series = [series for series in result.series if series.name != plot.source]
    drawn = {one.title for one in plots.rendered(result, plot.question)}
    assert plot.title not in drawn
    expected = {
        one.title for one in plots.PLOTS if one.question == plot.question and one.source != plot.source
    }
    assert drawn == expected


def test_counts_confidences_on_different_sides_of_the_threshold() -> None:
    result = Result(made="2026-03-01", plan="full", series=rich().series[:1])
    result.series[0].columns["reference"][0] = 0.991
    result.series[0].columns["candidate"][0] = 0.989
    text = page(result)
    assert "1 on different sides of 0.99" in text
    assert "none on different sides of 0.99" in page(rich())


def test_a_table_shows_the_noise_and_leaves_gaps_empty() -> None:
    result = Result(made="2026-03-01", plan="quick", complete=True)
    for side, metric, values in (
        ("service", "median latency", (0.1, 0.1, 0.13)),
        ("service", "peak memory", (960,)),
        ("upstream", "median latency", (4,)),
    ):
        result.note(Key(section="throughput", side=side, metric=metric, model=4, callers=1), *values)
    cells = re.findall(r"<td>(.*?)</td>", page(result))
    assert cells == ["100 ± 86 ms", "960 MiB (one round, no spread)", "4 s (one round, no spread)", ""]
    assert Figure(key=Key(section="area", metric="seconds"), values=[1.0]).noise == 0


def test_one_point_is_enough_for_a_plot() -> None:
    """As after an interrupted run: an axis without extent must not raise a warning."""
    result = Result(made="2026-03-01", plan="quick")
    for key in (
        Key(section="area", metric="seconds", side="library", megapixels=1.2),
        Key(section="callers", metric="photos per second", side="service", callers=1),
        Key(section="callers", metric="median latency", side="service", callers=1),
    ):
        result.note(key, 0.2)
    result.series.append(Series(name="confidences", columns={"reference": [1.0], "candidate": [1.0]}))
    result.series.append(Series(name="distances", columns={"edges": [0.3], "same": [1], "different": [0]}))
    drawn = {one.title for question in QUESTIONS for one in plots.rendered(result, question)}
    assert drawn == {plot.title for plot in plots.PLOTS} - {"Roofline of the networks"}


def test_without_labels_the_histogram_shows_all_pairs() -> None:
    result = Result(made="2026-03-01", plan="full", series=rich().series[1:])
    columns = result.series[0].columns
    columns["same"] = columns["different"] = [0.0] * len(columns["edges"])
    (drawn,) = plots.rendered(result, "accurate")
    assert re.fullmatch(r"Distance below 0.6: \d\.\d+ % of the pairs of all faces\.", drawn.caption)


def test_headlines_start_with_upstream_and_the_default_model() -> None:
    result = Result(made="2026-03-01", plan="full")
    for number, (side, model, megapixels) in enumerate(
        [
            ("library against dlib", 4, 4.0),
            ("service against upstream", 3, 1.2),
            ("service against upstream", 4, 0.3),
            ("service against upstream", 4, 1.2),
            ("library against dlib", 1, 8.0),
        ]
    ):
        key = Key(section="throughput", metric="times as fast", side=side, model=model, megapixels=megapixels)
        result.note(key, *[number + 1] * 3)
    result.note(Key(section="stages", metric="times as fast", side="library against dlib"), 99)
    assert re.findall(r"<strong>(\d+) ± 0× <small>as fast</small>", page(result)) == ["4", "3", "2", "1"]


def test_a_headline_of_one_round_says_so_in_small_type() -> None:
    result = Result(made="2026-03-01", plan="quick")
    key = Key(section="throughput", metric="times as fast", side="library against dlib", model=4)
    result.note(key, 15.4)
    text = page(result)
    assert re.search(r"<strong>15.4× <small>as fast</small>", text)
    assert '<p class="soft">model 4: library against dlib (one round, no spread)</p>' in text


def test_plots_the_default_model_if_measured() -> None:
    result = Result(made="2026-03-01", plan="full")
    for model in (1, 3, 4):
        key = Key(section="area", metric="seconds", side="library", megapixels=1.2, model=model)
        result.note(key, model)
    assert [one.model for one in plots.rendered(result, "faster")] == [4]
    result.figures.pop()
    (drawn,) = plots.rendered(result, "faster")
    assert (drawn.model, drawn.caption) == (1, "A photo of 1.2 MP: library 1 s (one round, no spread).")


def test_a_long_table_is_collapsed() -> None:
    result = Result(made="2026-03-01", plan="full")
    for callers in range(1, 18):
        result.note(Key(section="throughput", metric="photos per second", side="service", callers=callers), 3)
    text = page(result)
    assert "17 rows</summary>" in text
    assert not Parsed(text).complaints
