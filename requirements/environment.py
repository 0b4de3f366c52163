"""Make a virtual environment hold these locks, exactly, whatever happened before.

`python3 requirements/environment.py FOLDER LOCK...`, a lock being the name of a .txt file beside this script. One
process at a time works on a folder; a stamp, written last, names what is installed. Without a stamp nothing in the
folder is believed: an interrupted installation is begun again. Needs the standard library alone.
"""

import fcntl
import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

LOCKS = Path(__file__).parent

ONE_OF = {"cpu", "cuda"}
"""Locks whose onnxruntime wheels share an import package: no two of them in one folder."""


def main(folder: Path, names: list[str]) -> int:
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees it when this process ends, however it ends
        stamp = folder / "installed.json"
        installed = json.loads(stamp.read_text()) if stamp.exists() else {}
        wanted = {name: hashlib.sha256((LOCKS / f"{name}.txt").read_bytes()).hexdigest() for name in names}
        if wanted.items() <= installed.items():
            return 0
        if ONE_OF & wanted.keys() and ONE_OF & installed.keys() - wanted.keys():
            installed = {}  # one wheel's files lie over another's: nothing of it is to be believed
        if not installed:
            print(f"making the environment {folder}", flush=True)
            venv.create(folder, clear=True, with_pip=True)
        stamp.unlink(missing_ok=True)
        together = sorted(installed.keys() | wanted.keys())
        print(f"installing {', '.join(together)}", flush=True)
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        locks = [word for name in together for word in ("-r", str(LOCKS / f"{name}.txt"))]
        if failed := subprocess.run([*pip, "--require-hashes", *locks], check=False).returncode:
            return failed
        part = stamp.with_suffix(".part")
        part.write_text(json.dumps({**installed, **wanted}))
        part.replace(stamp)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
    except KeyboardInterrupt:
        sys.exit(130)
