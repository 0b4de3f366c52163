"""Leave in a virtual environment what these locks name and nothing else: for an image, once it is made.

`python3 requirements/bare.py FOLDER LOCK...`, as environment.py. Takes pip away too, so nothing can be installed
there any more: the stamp of environment.py goes, which would make the folder anew. Needs the standard library alone.
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
    print(f"taking away {', '.join(sorted(surplus))}", flush=True)
    return subprocess.run([*pip, "uninstall", "--yes", "--quiet", *sorted(surplus)], check=False).returncode


def _packages(name: str) -> set[str]:
    lock = (LOCKS / f"{name}.txt").read_text(encoding="utf-8")
    return set(map(_normal, re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)))


def _normal(name: str) -> str:
    """As the packaging standards compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
