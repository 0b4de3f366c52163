"""Text of figures: three significant digits, a unit of fitting size, and the spread of the rounds."""

from datetime import UTC, datetime

from benchmarks.harness.results import METRICS, Figure, Key
from model_store.models import CNN_DETECTOR, DLIB_RESNET, SCANNING_DETECTOR

COUNTS = {"photos", "faces", "pairs", "groups", "photos/s", "stages"}
"""Units that are omitted, since the metric's name contains them."""
SHARES = ("share", "accuracy", "marked faces found")
"""Prefixes of metrics that are shown in percent."""
DEFAULT_MODEL = 4
"""Default of FACE_MODEL."""
STAGES = {
    CNN_DETECTOR: "CNN detector",
    DLIB_RESNET: "descriptors",
    "cnn": "CNN detector",
    "cnn_detections": "CNN detector",
    "hog": "HOG detector",
    "hog_detections": "HOG detector",
    "hog_confirms": "HOG confirmation",
    "scan": "scan in int8",
    SCANNING_DETECTOR: "scan in int8",
}
"""Display names of stages."""
METRIC_NAMES = {
    "failed": "failed photos",
    "unknown": "photos without baseline answers",
    "decoded by the reference alone": "files decoded by dlib only",
    "stages by another engine": "stages with fallbacks",
    "across 0.99": "confidences on different sides of 0.99",
    "compute difference": "difference between /compute and /detect",
    "pairs across 0.4": "pairs on different sides of distance 0.4",
    "pairs across 0.6": "pairs on different sides of distance 0.6",
    "groups": "clusters",
    "pairs": "labelled pairs",
    "pairs grouped otherwise": "pairs clustered differently",
    "crowded": "photos in float32 alone, for their many faces",
    "deviating": "photos in float32 alone, since a scanned score differed too much",
    "checked": "photos computed in float32 too",
    "share rescored": "share of a whole map, by the cost of the blocks",
    "largest error": "largest error of a score",
    "stopped": "stopped, since a score above the threshold differed",
}
"""Display names of metrics."""
ONE_ROUND = "one round, no spread"
"""Stands where the spread of a figure of one round would."""
SIDE_NAMES = {"reference": "baseline"}
"""Display names of sides."""


def number(value: float) -> str:
    """Three significant digits, with an exponent for small numbers only: 0.187, 1,234, 4.9e-7."""
    text = f"{value:.3g}"
    if "e" not in text:
        return text
    if abs(value) >= 1:
        return f"{value:,.0f}"
    mantissa, exponent = text.split("e")
    return f"{float(mantissa):.2g}e{int(exponent)}"


def scale(value: float, metric: str) -> tuple[float, str]:
    """Display factor and unit: milliseconds below a second, percent for shares."""
    if metric.startswith(SHARES):
        return 100, " %"
    unit = METRICS[metric].unit
    if unit == "s" and abs(value) < 1:
        return 1000, " ms"
    if unit in COUNTS or unit == "":
        return 1, ""
    return 1, unit if unit == "×" else f" {unit}"


def quantity(value: float, metric: str) -> str:
    """Value with its unit: `187 ms`, `14.1×`, `99.2 %`."""
    factor, unit = scale(value, metric)
    return number(value * factor) + unit


def spread(figure: Figure) -> str:
    """Median with the noise of a round: `187 ± 4 ms`. Counts and differences are exact and have none."""
    factor, unit = scale(figure.value, figure.key.metric)
    middle = number(figure.value * factor)
    if not figure.scatters:
        return middle + unit
    if len(figure.values) == 1:
        return f"{middle}{unit} ({ONE_ROUND})"
    noise = f"{figure.noise * factor:.2g}"
    return f"{middle} ± {number(figure.noise * factor) if 'e' in noise else noise}{unit}"


def undecided(one_round: bool) -> str:
    """Reason for which a figure that scatters has no verdict."""
    return "too few rounds" if one_round else "the spread reaches the bound"


def moment(made: str) -> str:
    """Time of a result for display: `1 March 2026, 09:30 UTC`. Raises ValueError if it is not ISO 8601."""
    time = utc(made)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def utc(made: str) -> datetime:
    """Time of a result, UTC if it has no zone. Raises ValueError if it is not ISO 8601."""
    time = datetime.fromisoformat(made)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def metric(name: str) -> str:
    return METRIC_NAMES.get(name, name)


def counted(count: float, name: str) -> str:
    """Count with its metric, in the singular or plural: `1 face`, `50 labelled pairs`."""
    return f"{count:g} {metric(name).removesuffix('s') if count == 1 else metric(name)}"


def stage(name: str) -> str:
    return STAGES.get(name, name.replace("_", " "))


def side(name: str) -> str:
    return SIDE_NAMES.get(name, name)


def scenario(key: Key) -> str:
    """Scenario of a figure: `model 4, 1.2 MP, 8 callers`."""
    counts = ((key.callers, "callers"), (key.faces, "faces"))
    parts = [
        f"model {key.model}" if key.model is not None else "",
        f"{key.megapixels:g} MP" if key.megapixels is not None else "",
        *(counted(count, name) for count, name in counts if count is not None),
    ]
    return ", ".join(part for part in parts if part)


def title(key: Key) -> str:
    """Key of a figure for display: `model 4, 1.2 MP: service against upstream`."""
    return ": ".join(part for part in (scenario(key), stage(key.stage), side(key.side)) if part)
