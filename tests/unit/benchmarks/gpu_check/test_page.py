"""Page of a check."""

from html.parser import HTMLParser
from pathlib import Path

import pytest

from benchmarks.gpu_check.__main__ import main
from benchmarks.gpu_check.page import page
from benchmarks.gpu_check.schema import GpuCheck, ProviderRecord


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


def test_an_interrupted_check_has_a_page(check: GpuCheck) -> None:
    empty = GpuCheck(made=check.made, minutes=8, providers=[ProviderRecord(name="cpu")])
    assert "Not all was measured" in page(empty)


def test_the_page_is_rendered_again_from_the_file(check: GpuCheck, tmp_path: Path) -> None:
    check.save(tmp_path / "gpu-check.json")
    assert main(["report", str(tmp_path / "gpu-check.json"), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == page(check)
