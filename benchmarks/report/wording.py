"""How figures are said: a number with three digits, a unit that fits its size, and its spread."""

from datetime import UTC, datetime

from benchmarks.harness.results import METRICS, Figure, Key
from model_store.models import CNN_DETECTOR, DLIB_RESNET

COUNTS = {"photos", "faces", "pairs", "groups", "photos/s"}
"""Units that the metric's name says already."""
SHARES = ("share", "accuracy", "marked faces found")
"""How the names of metrics begin that are said in percent."""
DEFAULT_MODEL = 4
"""What most services run: the default of FACE_MODEL."""
STAGES = {
    CNN_DETECTOR: "CNN detector",
    DLIB_RESNET: "descriptors",
    "cnn": "CNN detector",
    "cnn_detections": "CNN detector",
    "hog": "HOG detector",
    "hog_detections": "HOG detector",
    "hog_confirms": "HOG confirms",
}
"""Stages whose own names are not plain."""
SIDES = {"candidate": "measured", "reference": "baseline"}
"""Sides whose own names are not plain."""


def number(value: float) -> str:
    """Three digits, with no exponent where it can be avoided: 0.187, 1,234, 4.9e-7."""
    text = f"{value:.3g}"
    if "e" not in text:
        return text
    if abs(value) >= 1:
        return f"{value:,.0f}"
    mantissa, exponent = text.split("e")
    return f"{float(mantissa):.2g}e{int(exponent)}"


def scale(value: float, metric: str) -> tuple[float, str]:
    """What to multiply by, and the unit that it is in then: milliseconds below a second, percent for shares."""
    if metric.startswith(SHARES):
        return 100, " %"
    unit = METRICS[metric].unit
    if unit == "s" and abs(value) < 1:
        return 1000, " ms"
    if unit in COUNTS or unit == "":
        return 1, ""
    return 1, unit if unit == "×" else f" {unit}"


def quantity(value: float, metric: str) -> str:
    """A value of a metric in its unit: `187 ms`, `14.1×`, `99.2 %`."""
    factor, unit = scale(value, metric)
    return number(value * factor) + unit


def spread(figure: Figure) -> str:
    """The median of the rounds, and how far another round may lie from it: `187 ± 4 ms`."""
    factor, unit = scale(figure.median, figure.key.metric)
    noise = f" ± {figure.noise * factor:.2g}" if len(figure.values) > 1 else ""
    if "e" in noise:
        noise = f" ± {number(figure.noise * factor)}"
    return number(figure.median * factor) + noise + unit


def moment(made: str) -> str:
    """A result's time for a person: `1 March 2026, 09:30 UTC`. Raises ValueError if it is not ISO 8601."""
    time = utc(made)
    return f"{time.day} {time:%B %Y, %H:%M} UTC"


def utc(made: str) -> datetime:
    """A result's time; without a zone it is UTC. Raises ValueError if it is not ISO 8601."""
    time = datetime.fromisoformat(made)
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def stage(name: str) -> str:
    return STAGES.get(name, name.replace("_", " "))


def side(name: str) -> str:
    return SIDES.get(name, name)


def case(key: Key) -> str:
    """What was worked on: `model 4, 1.2 MP, 8 callers`."""
    counted = ((key.callers, "caller"), (key.faces, "face"))
    parts = [
        f"model {key.model}" if key.model is not None else "",
        f"{key.megapixels:g} MP" if key.megapixels is not None else "",
        *(f"{count} {word}{'' if count == 1 else 's'}" for count, word in counted if count is not None),
    ]
    return ", ".join(part for part in parts if part)


def title(key: Key) -> str:
    """A figure's key in words for a person: `model 4, 1.2 MP: service against upstream`."""
    return ": ".join(part for part in (case(key), stage(key.stage), side(key.side)) if part)
