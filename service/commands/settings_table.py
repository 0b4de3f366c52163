"""The command `settings`: the README's table of settings."""

from service import settings


def run() -> int:
    """Print the table of settings for the README, after a check of those in the environment."""
    settings.load()
    print("\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *settings.markdown_rows()]))
    return 0
