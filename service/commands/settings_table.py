"""The command `settings`: the documentation's table of settings."""

from service import settings
from service.commands import loading


def run() -> int:
    """Print the table of settings for the documentation, after a check of those in the environment."""
    loading.settings_with_warnings()
    print("\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *settings.markdown_rows()]))
    return 0
