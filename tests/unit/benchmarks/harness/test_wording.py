import pytest

from benchmarks.harness import wording
from benchmarks.harness.results import Figure, Key


@pytest.mark.parametrize(
    ("value", "metric", "words"),
    [
        (0, "faces differing", "0"),
        (12345, "photos", "12,345"),
        (4.9e-7, "largest difference", "4.9e-7"),
        (0.187, "seconds", "187 ms"),
        (999.96, "median latency", "1,000 s"),
        (14.07, "times as fast", "14.1×"),
        (0.9931, "accuracy at 0.6", "99.3 %"),
        (0.8, "share of bandwidth", "80 %"),
        (960.4, "peak memory", "960 MiB"),
    ],
)
def test_a_quantity_has_three_digits_and_a_fitting_unit(value: float, metric: str, words: str) -> None:
    assert wording.quantity(value, metric) == words


def test_noise_has_the_unit_of_the_median() -> None:
    key = Key(section="throughput", metric="peak memory")
    assert wording.spread(Figure(key=key, values=[900, 1000, 1100])) == "1,000 ± 497 MiB"


def test_a_key_as_text() -> None:
    key = Key(section="faces", metric="seconds", model=4, megapixels=1.2, callers=8, faces=1, side="dlib")
    assert wording.title(key) == "model 4, 1.2 MP, 8 callers, 1 face: dlib"
