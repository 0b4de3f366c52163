"""Lines of wheels for CUDA: GPUs with code, locks, and the command for a GPU without code in the installed wheel."""

import re

import pytest

from service.recognition.ort.cuda_lines import LINES, remedy
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("name", "gpu", "lines"),
    [
        ("GTX 980", (5, 2), []),
        ("GTX 1060", (6, 1), [12]),
        ("Titan V", (7, 0), [12]),
        ("GTX 1650", (7, 5), [12, 13]),
        ("A2", (8, 6), [12, 13]),
        ("RTX 4060", (8, 9), [12, 13]),
        ("H100", (9, 0), [12, 13]),
        ("B200", (10, 0), [12]),
        ("RTX 5060", (12, 0), [12, 13]),
        ("GB10", (12, 1), [12, 13]),
    ],
)
def test_each_gpu_has_code_in_its_lines(name: str, gpu: tuple[int, int], lines: list[int]) -> None:
    assert [major for major, line in LINES.items() if line.runs_on(gpu)] == lines, name


@pytest.mark.parametrize("major", LINES)
def test_a_line_is_that_of_its_lock(major: int) -> None:
    lock = (ROOT / "requirements" / f"{LINES[major].accelerator}.txt").read_text(encoding="utf-8")
    assert re.findall(r"^nvidia-cudnn-cu(\d+)==9\.", lock, re.MULTILINE) == [str(major)]
    runtime = rf"^nvidia-cuda-runtime(?:-cu{major})?=={major}\."
    assert len(re.findall(runtime, lock, re.MULTILINE)) == 1


def test_names_the_line_for_a_gpu_and_its_driver() -> None:
    assert remedy((13, 0), (6, 1)).startswith(": `ACCELERATOR=cuda make serve`")
    assert remedy((12, 4), (8, 9), ", or: ").startswith(", or: `ACCELERATOR=cuda make serve`")
    assert remedy((13, 0), (5, 2)) == ""
    assert remedy((11, 4), (8, 6)) == ""
