"""A Debian with its own Python, to stand for the base image `python:VERSION-slim-SUITE`, whose Debian it is."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("python3", "python3-venv", "ca-certificates")
"""What the image of Python holds beside a minimal Debian, as Debian packages it."""


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
    if subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], check=False).returncode:
        return "this machine lets nobody make namespaces"
    return None


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
    options = ("--variant=minbase", f"--include={','.join(packages)}", *options)
    command = ["debootstrap", *options, suite, str(tree)]
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines()
        raise NoDebian(f"debootstrap: {said[-1] if said else ended.returncode}")
