"""A time in words."""

HOURS_OF_DAYS = 48
"""Hours from which on a time is given in days."""


def duration(hours: float) -> str:
    """A time in minutes, hours or days, with two digits."""
    if hours < 1:
        minutes = max(round(60 * hours), 1)
        return f"{minutes} minute{'s' * (minutes > 1)}"
    if hours < HOURS_OF_DAYS:
        return f"{hours:.1f} hours"
    return f"{hours / 24:.1f} days"
