"""The error of all commands."""


class CommandError(Exception):
    """A command failed. `main` prints the message, a line for each fault, and exits with status 1."""
