"""The CNN detector's window (box size and thresholds), from the manifest of its weights."""

from model_store.manifest import DetectorFacts, GraphError
from service.recognition.cnn import pyramid
from service.recognition.cnn.score_map import DetectorWindow
from service.recognition.nms import OverlapRule
from service.recognition.pyramid_down import RATE


def detector_window(facts: DetectorFacts) -> DetectorWindow:
    """Box size, overlap thresholds of NMS, and score threshold of a detector's file.

    Raises:
        GraphError: the detector was trained on another pyramid than `pyramid` builds.
    """
    pyramid_of_file = (facts.padding, facts.outer_padding, facts.pyramid_rate)
    if pyramid_of_file != (pyramid.PADDING, pyramid.OUTER_PADDING, RATE):
        raise GraphError(
            f"this detector's pyramid (padding, outer padding, rate) is {pyramid_of_file}: not supported"
        )
    return DetectorWindow(
        facts.window_width,
        facts.window_height,
        OverlapRule(facts.suppression_overlap, facts.suppression_covered),
        facts.threshold,
    )
