"""Remove all packages but those of some locks from a virtual environment, for an image at the end of its build.

`python3 requirements/bare.py FOLDER LOCK...`, as environment.py. pip is removed too, so nothing more can be installed.
The stamp of environment.py is removed with it, so that environment.py rebuilds the folder. Needs the standard library
alone.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

LOCKS = Path(__file__).parent


def main(folder: Path, names: list[str]) -> int:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    listed = subprocess.run([*pip, "list", "--format", "json"], check=True, stdout=subprocess.PIPE).stdout
    surplus = {_normal(package["name"]) for package in json.loads(listed)}.difference(*map(_packages, names))
    (folder / "installed.json").unlink(missing_ok=True)
    print(f"removing {', '.join(sorted(surplus))}", flush=True)
    return subprocess.run([*pip, "uninstall", "--yes", "--quiet", *sorted(surplus)], check=False).returncode


def _packages(name: str) -> set[str]:
    lock = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return set(map(_normal, re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)))


def _normal(name: str) -> str:
    """A package's normalized name (packaging.python.org, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
