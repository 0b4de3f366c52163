"""The error of all commands."""


class CommandError(Exception):
    """A command failed. `main` prints the message, which is one line, and exits with status 1."""
