"""Python for arm64 from the Debian release of the images, with the packages of the project's lock file.

Debian's packages are unpacked and not configured, and QEMU reads their files from the folder (-L). This needs no mounts
and no binfmt_misc.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.emulated.machines import PROCESSORS, Machine, missing
from tests.images import debian, dockerfile
from tests.paths import ROOT

LOCK = ROOT / "requirements" / "cpu.txt"


def obstacle() -> str | None:
    """Reason why this machine cannot make one, or None if it can."""
    if os.geteuid() != 0:
        return "only root can run debootstrap"
    return missing(("debootstrap", "dpkg-deb"))


def machine(cache: Path) -> Machine:
    """The machine in the folder `cache`, installed on the first use. Raises `debian.NoDebian`."""
    cache.mkdir(parents=True, exist_ok=True)
    files = cache / "arm64"
    if not files.exists():
        _unpack(files)
    packages = cache / f"arm64-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    made = Machine(PROCESSORS["arm64"], files, files / "usr" / "bin" / "python3", packages)
    made.describe_processor()
    if not packages.exists():
        _install(made, packages)
    return made


def _unpack(files: Path) -> None:
    suite = dockerfile.read(ROOT / "Dockerfile.cpu")[0].base.rpartition("-")[2]
    with tempfile.TemporaryDirectory(dir=files.parent) as part:
        tree = Path(part) / files.name
        debian.debootstrap(suite, tree, ("python3", "python3-pip-whl"), "--arch=arm64", "--foreign")
        archives = tree / "var" / "cache" / "apt" / "archives"
        for package in archives.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, tree], check=True)
        shutil.rmtree(archives)
        tree.rename(files)


def _install(made: Machine, packages: Path) -> None:
    """Installs the lock file with the emulated Python's own pip, which selects the wheels for arm64."""
    (pip,) = made.files.glob("usr/share/python-wheels/pip-*.whl")
    with tempfile.TemporaryDirectory(dir=packages.parent) as part:
        into = Path(part) / packages.name
        ended = made.run(
            *(pip / "pip", "install", "--quiet", "--no-compile", "--target", into),
            *("--require-hashes", "--only-binary=:all:", "--requirement", LOCK),
            environment={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        )
        assert ended.returncode == 0, ended.stderr
        into.rename(packages)
