"""The error of all commands."""


class CommandError(Exception):
    """A command failed. The message has a line for each fault, which `main` prints; the exit status is 1."""
