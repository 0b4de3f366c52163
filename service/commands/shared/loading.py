"""Settings of a command that writes no log."""

import os
import sys

from service import settings
from service.settings import Settings


def settings_with_warnings() -> Settings:
    """The settings; misspelt variables are printed on stderr. Raises SettingsError."""
    configuration = settings.load()
    for warning in settings.unknown_variables(os.environ):
        print(warning, file=sys.stderr)
    return configuration
