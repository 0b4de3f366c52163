"""Page of a check."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.page import page
from benchmarks.gpu_check.schema import GpuCheck, ProviderRecord, Scan


def test_all_figures_are_shown(check: GpuCheck) -> None:
    html = page(check)
    HTMLParser().feed(html)
    for text in (
        "All held",
        "A Card 7",
        "radv 25.1",
        "there is no NVIDIA driver",
        "2.5× (2 to 3)",
        "100, 200, 210, 220",
        "mixed precision: float16 scan, time divided by float32&#39;s 0.62, score differs by 0.011",
    ):
        assert text in html
    assert "<script" not in html


@pytest.mark.parametrize("foreign", ["<b>card</b>", "a & b"])
def test_names_of_devices_are_escaped(foreign: str, check: GpuCheck, card: ProviderRecord) -> None:
    card.device = foreign
    assert foreign not in page(check)


def test_a_difference_and_a_software_adapter_are_told(check: GpuCheck, card: ProviderRecord) -> None:
    card.kind = "software"
    card.parity[0].failed = 1
    html = page(check)
    assert "A provider differs" in html
    assert "a software adapter" in html


@pytest.mark.parametrize(
    ("name", "wide"), [("A Card 7", False), ("A Card 7 of a vendor with many words", True)]
)
def test_a_table_with_a_long_name_is_as_wide_as_the_page(name: str, wide: bool, check: GpuCheck) -> None:
    check.providers[1].device = name
    found = re.search(r'<section class="card( wide)?">\s*<h3>Providers</h3>', page(check))
    assert found is not None
    assert (found[1] is not None) is wide


def test_a_refused_scan_is_told(check: GpuCheck, card: ProviderRecord) -> None:
    card.scan = Scan(precision="float32", refused="a score differs by 0.4")
    assert "mixed precision: float32, since the scan was refused: a score differs by 0.4" in page(check)


def test_an_interrupted_check_has_a_page(check: GpuCheck) -> None:
    empty = GpuCheck(made=check.made, minutes=8, providers=[ProviderRecord(name="cpu")])
    assert "Not all was measured" in page(empty)


def test_the_page_is_rendered_again_from_the_file(check: GpuCheck, tmp_path: Path) -> None:
    check.save(tmp_path / "gpu-check.json")
    assert main(["report", str(tmp_path / "gpu-check.json"), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(check)
