from dataclasses import replace

import pytest

from model_store.manifest import DetectorFacts, GraphError
from service.recognition.cnn import pyramid
from service.recognition.cnn.detector_window import detector_window
from service.recognition.nms import OverlapRule
from service.recognition.pyramid_down import RATE

FACTS = DetectorFacts(
    window_width=80,
    window_height=70,
    suppression_overlap=0.3,
    suppression_covered=0.9,
    mean=(122.8, 117.0, 104.3),
    padding=pyramid.PADDING,
    outer_padding=pyramid.OUTER_PADDING,
    pyramid_rate=RATE,
    threshold=0.1,
    form=(),
)


def test_window_carries_the_values_of_the_file() -> None:
    window = detector_window(FACTS)
    assert (window.width, window.height, window.threshold) == (80, 70, 0.1)
    assert window.rule == OverlapRule(overlap=0.3, covered=0.9)


@pytest.mark.parametrize(
    "facts", [replace(FACTS, padding=9), replace(FACTS, outer_padding=9), replace(FACTS, pyramid_rate=9)]
)
def test_rejects_a_detector_trained_on_another_pyramid(facts: DetectorFacts) -> None:
    with pytest.raises(GraphError, match=r"pyramid .* not supported"):
        detector_window(facts)
