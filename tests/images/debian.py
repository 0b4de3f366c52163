"""A Debian with its own Python, in place of the base image `python:VERSION-slim-SUITE` of the same release."""

import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("python3", "python3-venv", "ca-certificates")
"""Debian's packages of the base image, in addition to a minimal Debian."""
SET_UP_SECONDS = 900.0
"""The limit for debootstrap, which takes one to two minutes: a mirror may accept a connection and send nothing."""


class NoDebian(Exception):
    """No Debian can be set up here; the message gives the cause."""


def base(image: str, cache: Path) -> Path:
    """The tree in place of a base image, set up in `cache` at the first call. Raises NoDebian."""
    named = re.fullmatch(r"python:(3\.\d+)\.\d+-slim-(\w+)", image)
    assert named, f"{image} is not python:VERSION-slim-SUITE"
    version, suite = named.groups()
    root = cache / suite
    if not root.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as part:
            tree = Path(part) / suite
            debootstrap(suite, tree, PACKAGES)
            (tree / "usr" / "local" / "bin" / "python").symlink_to("/usr/bin/python3")
            # As in each of Docker's containers.
            (tree / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
            tree.rename(root)
    assert list(root.glob(f"usr/bin/python{version}")), f"the Python of {suite} is not that of {image}"
    return root


def debootstrap(suite: str, tree: Path, packages: Iterable[str], *options: str) -> None:
    """A minimal Debian and these packages in a new folder. Raises NoDebian, as without a mirror."""
    command = [
        # In new namespaces, whose end removes its children and mounts, for the removal of the folder after a failure.
        *("unshare", "--mount", "--pid", "--fork", "--kill-child"),
        *("debootstrap", "--variant=minbase", f"--include={','.join(packages)}", *options, suite, str(tree)),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=SET_UP_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise NoDebian(str(error)) from error
    except subprocess.CalledProcessError as error:
        raise NoDebian(f"debootstrap: {error.stdout[-200:]}{error.stderr}".strip()) from error
