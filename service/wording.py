"""Figures in words, each with its unit: counts, durations, sizes and times."""

from datetime import UTC, datetime

DAYS_FROM = 48
"""Hours from which on a duration is given in days."""


def count(number: int) -> str:
    """An integer with separators: `40,000`."""
    return f"{number:,}"


def duration(hours: float) -> str:
    """`9 minutes`, `1.3 hours`, `26 hours`, `3.4 days`."""
    if hours < 1:
        minutes = max(round(60 * hours), 1)
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    if hours < DAYS_FROM:
        return f"{hours:.1f} hours" if hours < 10 else f"{hours:.0f} hours"
    return f"{hours / 24:.1f} days"


def size(number: int) -> str:
    """Bytes in the units of the settings: `340 MiB`, `1.2 GiB`."""
    value, unit = next(
        ((number / 1024**power, unit) for power, unit in ((3, "GiB"), (2, "MiB")) if number >= 1024**power),
        (number / 1024, "KiB"),
    )
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"


def moment(time: str | datetime) -> str:
    """An ISO 8601 time, or a datetime, in UTC: `30 Nov 2026, 10:35:21 UTC`. The script replaces it by local time."""
    parsed = datetime.fromisoformat(time) if isinstance(time, str) else time
    return f"{parsed.astimezone(UTC):%-d %b %Y, %H:%M:%S} UTC"
