"""Inline SVG plots by matplotlib, with text as text and the page's light and dark colours.

matplotlib draws with the light colours, which are then replaced by the variables of the page's style sheet.
"""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.typing import RcKeyType

LIGHT = {
    "ink": "#1c2430",
    "soft": "#5a6575",
    "line": "#dfe3e9",
    "ours": "#1766c2",
    "dlib": "#69727f",
    "upstream": "#b85508",
    "remote": "#7b45c4",
    "one": "#0b7f79",
    "two": "#b3477a",
    "red": "#bf2430",
}
DARK = {
    "ink": "#e7eaef",
    "soft": "#a0a9b8",
    "line": "#343b47",
    "ours": "#62a8f5",
    "dlib": "#9aa3b2",
    "upstream": "#f2994f",
    "remote": "#b592f0",
    "one": "#45c2b9",
    "two": "#e58ab6",
    "red": "#ff7a80",
}
"""Colours of the dark page. All have a contrast of at least 3 to their background."""

SIDE_COLOURS = {
    "service": "ours",
    "library": "ours",
    "candidate": "ours",
    "dlib": "dlib",
    "reference": "dlib",
    "upstream": "upstream",
    "remote": "remote",
}
"""Colour of each side."""

WIDTH, HEIGHT, FONT = 460.0, 310.0, 11.0
"""Size of a plot and its text in points: readable on a telephone at a width of 340 pixels."""
PICTURE_WIDTH, PICTURE_HEIGHT = 560.0, 340.0
"""Size of a picture in points, for a width of 700 pixels."""

_STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a machine's name may contain a dollar sign
    "font.size": FONT,
    # Comes with matplotlib; the page uses its own font, which is narrower.
    "font.sans-serif": ["DejaVu Sans"],
    "text.color": LIGHT["ink"],
    "axes.edgecolor": LIGHT["line"],
    "axes.labelcolor": LIGHT["soft"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.8,
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["soft"],
    "ytick.labelcolor": LIGHT["soft"],
    "xtick.minor.visible": False,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.labelcolor": "linecolor",
    "lines.linewidth": 2.2,
    "lines.solid_capstyle": "round",
}


def colour(side: str) -> str:
    """Light colour of a side, for matplotlib."""
    return LIGHT[SIDE_COLOURS.get(side, "ink")]


def svg(name: str, paint: Callable[[Axes], str | None]) -> tuple[Markup, str] | None:
    """Plot as inline SVG with its caption; None without data.

    Args:
        name: unique in the page; the element with the id `about-NAME` describes the plot.
        paint: draws the plot and returns its caption; None without data.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH / 72, HEIGHT / 72), layout="constrained")
        axes = figure.subplots()
        caption = paint(axes)
        if caption is None:
            return None
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_inline(written.getvalue(), name)), caption


def document(name: str, paint: Callable[[Axes], str | None]) -> str | None:
    """SVG file of a plot on white, for light and dark pages; equal data give equal bytes. None without data.

    Args:
        name: seed of the element IDs.
        paint: draws the plot and returns its title for screen readers; None without data.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(PICTURE_WIDTH / 72, PICTURE_HEIGHT / 72), layout="constrained")
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)  # type: ignore[union-attr,call-arg]
        title = paint(figure.subplots())
        if title is None:
            return None
        written = io.StringIO()
        figure.savefig(written, format="svg", facecolor="white", metadata={"Date": None})
    text = _without(written.getvalue(), r"<metadata>.*?</metadata>", r"<!--.*?-->", r"[ \t]+(?=\n)")
    text = re.sub(r"'DejaVu Sans'(, [^;\"]*)?", "sans-serif", text)
    return re.sub(r"(<svg[^>]*)>", rf'\1 role="img">\n <title>{escape(title)}</title>', text, count=1)


def _without(text: str, *patterns: str) -> str:
    for pattern in patterns:
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return text


def _inline(document: str, name: str) -> str:
    """SVG element alone, without global styles, metadata and IDs that could occur twice in the page."""
    body = document[document.index("<svg") :]
    body = _without(body, r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->")
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    for word, value in LIGHT.items():
        body = body.replace(value, f"var(--{word})")
    box = re.search(r'viewBox="[^"]*"', body)
    opening = f'<svg {box.group() if box else ""} role="img" aria-labelledby="about-{name}">'
    return re.sub(r"<svg[^>]*>", opening, body, count=1).strip()


def from_zero(axes: Axes) -> None:
    """Start the y axis at zero, with few and round ticks."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))


def threshold(axes: Axes, x: float) -> None:
    """Vertical line at a decision threshold, with its value above."""
    axes.axvline(x, color=LIGHT["ink"], linewidth=1, linestyle=(0, (4, 3)))
    axes.text(x, 1.01, f"{x:g}", transform=axes.get_xaxis_transform(), ha="center", va="bottom")
