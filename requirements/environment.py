"""Make a virtual environment that holds the packages of some locks, from any earlier state.

`python3 requirements/environment.py FOLDER LOCK...`; a lock is the name of a .txt file next to this script. A file lock
admits one process at a time. A stamp, written last, names the installed locks; without it, as after an interrupted
installation, the folder is rebuilt. Needs the standard library alone.
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
"""Locks whose onnxruntime wheels share an import package, so that a folder holds one of them."""


def main(folder: Path, names: list[str]) -> int:
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel at any end of this process
        stamp = folder / "installed.json"
        installed = json.loads(stamp.read_text()) if stamp.exists() else {}
        wanted = {name: hashlib.sha256((LOCKS / f"{name}.txt").read_bytes()).hexdigest() for name in names}
        if wanted.items() <= installed.items():
            return 0
        if ONE_OF & wanted.keys() and ONE_OF & installed.keys() - wanted.keys():
            installed = {}  # one wheel would overwrite the other's files: rebuild
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
