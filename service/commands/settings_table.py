"""The command `settings`: the documentation's table of settings."""

import os
import sys

from service import settings


def run() -> int:
    """Print the table of settings for the documentation, after a check of those in the environment."""
    settings.load()
    for warning in settings.unknown_variables(os.environ):
        print(warning, file=sys.stderr)
    print("\n".join(["| Variable | Default | Meaning |", "|---|---|---|", *settings.markdown_rows()]))
    return 0
