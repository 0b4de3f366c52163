"""A Debian with its own Python, to stand for the base image `python:VERSION-slim-SUITE`, whose Debian it is."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from tests.images.containers import PATH, Container, Image

PACKAGES = ("python3", "python3-venv", "ca-certificates")
"""What the image of Python holds beside a minimal Debian, as Debian packages it."""
SET_UP_SECONDS = 900.0
"""It takes one to two minutes; a mirror that answers and sends nothing would keep it for hours."""
UP = "up\n"
TRIAL = Image(
    Path("/"),
    "/",
    {"PATH": PATH},
    user=(10001, 10001),
    entrypoint=["sh", "-c", "echo up >&2; exec sleep 600"],
    healthcheck=[],
    port=0,
)
"""This machine's own tree, which needs no setting up: prints `UP` and waits, as anybody."""


class NoDebian(Exception):
    """No Debian can be set up here; the message says why."""


def wanting() -> str | None:
    """Why containers cannot be rehearsed on this machine, or None where they can."""
    if os.geteuid() != 0:
        return "only root can make containers of its own"
    missing = [
        tool for tool in ("debootstrap", "unshare", "nsenter", "setpriv") if shutil.which(tool) is None
    ]
    if missing:
        return f"not installed: {', '.join(missing)}"
    if refused := _refused():
        return f"this machine lets nobody make containers: {refused}"
    return None


def _refused() -> str | None:
    """What keeps a container from starting on this machine's own tree or from being entered, or None.

    Whoever may make namespaces may still be forbidden to mount in them, to become somebody else or to join them.
    """
    with closing(Container(TRIAL, {}, {})) as container:
        while container.running and UP not in container.lines:
            time.sleep(0.01)
        if not container.running:
            return _last_line(container.wait(), container.log)
        try:
            with container.network():
                pass
        except OSError as error:
            return str(error)
        entered = container.run(["true"])
        return _last_line(entered.returncode, entered.stderr) if entered.returncode else None


def base(image: str, cache: Path) -> Path:
    """The tree that stands for a base image, set up in `cache` where it is not there yet.

    Raises:
        NoDebian: the mirror cannot be reached, or the release's Python is not the image's.
    """
    named = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-(\w+)", image)
    if named is None:
        raise NoDebian(f"{image} is not python:VERSION-slim-SUITE, which a Debian can stand for")
    version, suite = named.groups()
    root = cache / suite
    if not root.exists():
        _set_up(suite, root)
    own = subprocess.run(
        ["chroot", root, "python3", "--version"], capture_output=True, text=True, check=True
    ).stdout
    if not own.startswith(f"Python {version}."):
        raise NoDebian(f"{suite} has {own.strip()}, which does not stand for {image}")
    return root


def _set_up(suite: str, root: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as part:
        tree = Path(part) / suite
        debootstrap(suite, tree, PACKAGES)
        shutil.rmtree(tree / "var" / "cache" / "apt" / "archives")
        (tree / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
        # What Docker writes into every container.
        (tree / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        tree.rename(root)


def debootstrap(suite: str, tree: Path, packages: Iterable[str], *options: str) -> None:
    """A minimal Debian and these packages in a new folder. Raises NoDebian where the mirror cannot be reached."""
    # In namespaces of its own: whatever ends it ends what it started, and nothing that it mounted is left for the
    # folder's removal to walk into.
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", *options, suite, str(tree)),
    ]
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SET_UP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise NoDebian(f"debootstrap: not done after {SET_UP_SECONDS:.0f} s") from None
    if ended.returncode:
        raise NoDebian(f"debootstrap: {_last_line(ended.returncode, ended.stderr or ended.stdout)}")


def _last_line(status: int, printed: str) -> str:
    """What a command that failed said last, which is why."""
    lines = printed.strip().splitlines()
    return lines[-1] if lines else f"status {status}"
