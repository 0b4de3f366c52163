"""Removal of names of files, hosts and users from messages that a public report contains."""

import getpass
import re
import socket

from benchmarks.processes.running import ROOT

MAXIMUM = 300
"""Characters of a message."""
_PATH = re.compile(r"(?<![\w/.])~?/(?!dev/)(?:[^\s/:'\",;()]+/)+(?=[^\s/])")
"""Folders of an absolute path; device files stay, since their names are equal on all machines."""
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
"""Escape sequence of a terminal, in messages of ONNX Runtime."""


def public(text: str) -> str:
    """Last line of a message that is not blank, without folders, and without the names of this host and user."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    line = _COLOUR.sub("", lines[-1] if lines else "")
    line = _PATH.sub(
        "…/", line.replace(f"{ROOT}/", "/…/")
    )  # the checkout as a whole: its name may contain spaces
    for name in _private_names():
        line = re.sub(rf"\b{re.escape(name)}\b", "…", line)
    return line[:MAXIMUM]


def _private_names() -> list[str]:
    """Host and user; `localhost` and `root` are no one's name."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = ""
    host = socket.gethostname()
    return [name for name in {host, host.partition(".")[0], user} if name not in ("", "localhost", "root")]
