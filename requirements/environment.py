"""Make a virtual environment that holds the packages of some locks, from any earlier state.

`python3 requirements/environment.py FOLDER LOCK...`; a lock is the name of a .txt file next to this script. The
environment has the Python that runs this script. A stamp, removed before each change and written last, names the
installed locks and the content of the folder of packages; an environment that differs from its stamp is made again. A
file lock admits one process at a time. Each failure is one line on stderr that names the remedy.

Needs only the standard library. The syntax is that of Python 3.6, so that an old Python prints its line too.
"""

import ast
import errno
import fcntl
import hashlib
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 14)
"""The Pythons that the locks have wheels for: requires-python of pyproject.toml."""
FOUND = sys.version_info[:2]

# Before the first annotation that an older Python cannot evaluate.
if not OLDEST <= FOUND <= NEWEST:
    sys.exit(
        "{} is Python {}.{}; required is {}.{} to {}.{}. With one of these installed, run as in: "
        "PYTHON=python3.12 make serve".format(sys.executable, *FOUND + OLDEST + NEWEST)
    )

VERSION = "{}.{}".format(*FOUND)
LOCKS = Path(__file__).parent

ONE_OF = {"cpu", "cuda", "cuda13"}
"""Locks whose onnxruntime wheels share an import package, so that a folder holds one of them."""
X86_64 = "linux x86_64"
X86_64_ONLY = {"cuda", "cuda13", "openvino"}
"""Locks whose provider's wheel has the marker X86_64. On another platform pip would install the rest and report
success."""

ELSEWHERE = "name a folder elsewhere, as in: VENV=/var/tmp/face-venv make serve"
NO_SPACE = f"free some space there and in TMPDIR, or {ELSEWHERE}"
NO_LOCKS = f"this file system has no file locks; {ELSEWHERE}"
NO_RIGHT = f"give the folder to this account (chown), or {ELSEWHERE}"
REMEDIES = {
    errno.ENOSPC: NO_SPACE,
    errno.EDQUOT: NO_SPACE,
    errno.ENOLCK: NO_LOCKS,
    errno.EOPNOTSUPP: NO_LOCKS,
    errno.ENOSYS: NO_LOCKS,
    errno.EACCES: NO_RIGHT,
    errno.EPERM: NO_RIGHT,
    errno.EROFS: NO_RIGHT,
}
CONNECTION = (
    "no connection to the registry; set pip's proxy or mirror, as in: PIP_PROXY=http://proxy:3128 make serve"
)
REGISTRY_REMEDIES = {
    "WARNING: Retrying": CONNECTION,
    "WARNING: Could not fetch URL": CONNECTION,
    "No matching distribution": "a mirror has to hold all packages; their platforms are amd64 and arm64 with glibc",
    "DO NOT MATCH THE HASHES": "the registry's file is not the lock's: empty pip's cache, or change the mirror",
}
"""Text in pip's output to the remedy; the first one applies."""
OS_ERROR = re.compile(r"(?:OSError|PermissionError): \[Errno (\d+)\]")
"""Error number of a file in pip's output. That of a connection follows the name of urllib3's class."""
REASON_CHARACTERS = 400
"""Limit for pip's reason, which can list all versions of a package."""

REGISTRY = {
    *("index-url", "extra-index-url", "find-links", "no-index", "keyring-provider"),
    *("proxy", "cert", "client-cert", "trusted-host", "use-feature", "use-deprecated"),
    *("timeout", "default-timeout", "retries", "cache-dir", "no-cache-dir"),
}
"""The options of pip that apply from the user's configuration: the way to a registry. Others, such as target, prefix,
root and dry-run, would install the packages elsewhere or nowhere and report success."""
CONFIGURED = re.compile(r"^(global|install)\.([a-z-]+)=(['\"].*['\"])$", re.MULTILINE)
"""A line of `pip config list`: section, option, and a value as a Python literal."""


class Failure(Exception):
    """The environment cannot be made. One line, with the remedy."""


def main(folder: Path, names: list[str]) -> None:
    """Make or extend the environment in `folder`. Raises Failure, or OSError."""
    wanted = {name: hashlib.sha256((LOCKS / f"{name}.txt").read_bytes()).hexdigest() for name in names}
    if f"{sys.platform} {platform.machine()}" != X86_64:
        for name in filter(X86_64_ONLY.__contains__, names):
            raise Failure(
                f"{name}.txt locks its provider for {X86_64} only, and this machine is {sys.platform} "
                f"{platform.machine()}; use the CPU, as in: ACCELERATOR=cpu make serve"
            )
    # First without the file lock: a complete environment is usable in a tree that cannot be written.
    if wanted.items() <= _installed(folder)[0].items():
        return
    _check_place(folder)
    with _beside(folder, ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel at any end of this process
        installed, fault = _installed(folder)
        if wanted.items() <= installed.items():
            return  # made by another process meanwhile
        if ONE_OF & wanted.keys() and ONE_OF & installed.keys() - wanted.keys():
            installed, fault = {}, "another accelerator's wheel would overwrite files"
        stamp = folder / "installed.json"
        stamp.unlink(missing_ok=True)
        if not installed:
            print(f"making the environment {folder}" + (f" again: {fault}" if fault else ""), flush=True)
            _make(folder)
        locks = {**installed, **wanted}
        print(f"installing {', '.join(sorted(locks))}", flush=True)
        _install(folder, sorted(locks))
        part = stamp.with_suffix(".part")
        part.write_text(json.dumps({"python": VERSION, "locks": locks, "content": sorted(_content(folder))}))
        part.replace(stamp)


def _installed(folder: Path) -> tuple[dict[str, str], str]:
    """The installed locks with their hashes; if there are none, the reason to make an existing environment again."""
    if not (folder / "pyvenv.cfg").exists():
        return {}, ""
    try:
        stamp = json.loads((folder / "installed.json").read_text())
        python, locks, content = stamp["python"], stamp["locks"], set(stamp["content"])
    except (FileNotFoundError, ValueError, KeyError):
        return {}, "its installation was not finished"
    if python != VERSION:
        return {}, f"it has Python {python}, and {sys.executable} is {VERSION}"
    version = "import sys; print('{}.{}'.format(*sys.version_info))"
    try:
        started = subprocess.run([_python(folder), "-IS", "-c", version], check=True, stdout=subprocess.PIPE)
    except (OSError, subprocess.CalledProcessError):
        return {}, f"its Python {python} does not start"
    if started.stdout.decode().strip() != python:
        return {}, f"its Python {python} was replaced by {started.stdout.decode().strip()}"
    lacking = sorted(content - _content(folder))
    return ({}, f"it lacks {lacking[0]}") if lacking else (locks, "")


def _check_place(folder: Path) -> None:
    """Raise Failure for a folder that must not be cleared, or that `venv` refuses."""
    if os.pathsep in str(folder.absolute()):
        raise Failure(f"An environment's path cannot hold a colon, as {folder.absolute()} does: {ELSEWHERE}")
    # Not pyvenv.cfg, which a user's own environment has, too. An interrupted installation leaves the file lock.
    ours = (folder / "installed.json", _beside(folder, ".lock"))
    if folder.exists() and next(folder.iterdir(), None) and not any(path.exists() for path in ours):
        raise Failure(
            f"{folder} was not made by this script, so it is not cleared: remove it, or {ELSEWHERE}"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)


def _make(folder: Path) -> None:
    """An empty environment with pip. Raises Failure or OSError."""
    import venv  # here, since it would double the time of a run that has nothing to do
    from importlib.util import find_spec

    if find_spec("ensurepip") is None:
        raise Failure(
            f"{sys.executable} has no ensurepip, which installs pip. Debian, Ubuntu: apt install python{VERSION}-venv"
        )
    try:
        venv.create(folder, clear=True, with_pip=True)
    except subprocess.CalledProcessError as error:
        raise Failure(
            reason("pip cannot be installed", (error.output or b"").decode(errors="replace"))
        ) from error


def _install(folder: Path, names: list[str]) -> None:
    """Install the packages of the locks. Raises Failure."""
    locks = [word for name in names for word in ("--requirement", str(LOCKS / f"{name}.txt"))]
    done = _pip(folder, _registry(folder), "install", "--quiet", "--require-hashes", *locks)
    if done.returncode:
        raise Failure(reason(f"The packages are not installed in {folder}", done.stderr))


def _registry(folder: Path) -> dict[str, str]:
    """Environment variables of pip for the user's registry, proxy and certificates, from all of its configuration.

    Raises Failure for a configuration that cannot be read.
    """
    files = {name: value for name, value in os.environ.items() if name == "PIP_CONFIG_FILE"}
    # A file's "python" would run another pip, and its "quiet" hide the list.
    listed = _pip(folder, files, "--python", str(_python(folder)), "config", "list", "-vvv")
    if listed.returncode:
        raise Failure(
            f"pip's configuration is not readable: {' '.join(listed.stderr.split())[:REASON_CHARACTERS]}: correct the "
            "file, or ignore all of pip's files, as in: PIP_CONFIG_FILE=/dev/null make serve"
        )
    # Sorted: a value in the section "install" replaces one in "global", and a variable both.
    options = {
        _variable(name): ast.literal_eval(value)
        for _, name, value in sorted(CONFIGURED.findall(listed.stdout))
    }
    kept = {
        name: value for name, value in {**options, **os.environ}.items() if name in map(_variable, REGISTRY)
    }
    return {**kept, "PIP_CONFIG_FILE": os.devnull}


def _variable(option: str) -> str:
    return f"PIP_{option.upper().replace('-', '_')}"


def _pip(folder: Path, configuration: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    # -I: packages in PYTHONPATH do not count as installed.
    command = [str(_python(folder)), "-I", "-m", "pip", "--disable-pip-version-check", *arguments]
    others = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return subprocess.run(
        command,
        env={**others, **configuration},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def reason(what: str, output: str) -> str:
    """One line: what failed, the cause in pip's output, and the remedy.

    An unexpected exception ends pip with a traceback. The rules for the cause are those of model_store/sources.py.
    """
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line[len("ERROR:") :].strip() for line in lines if line.startswith("ERROR:")]
    if not errors or errors == ["Exception:"]:
        errors = lines[-1:]
    cause = (" ".join(errors) or "pip failed without a message")[:REASON_CHARACTERS]
    remedies = [REMEDIES.get(int(number), "") for number in OS_ERROR.findall(output)[:1]]
    remedies += [remedy for text, remedy in REGISTRY_REMEDIES.items() if text in output]
    return ": ".join([what, cause, *filter(None, remedies)][:3])


def _content(folder: Path) -> set[str]:
    """The names in the folder of packages, without caches and without leftovers of pip."""
    try:
        names = [path.name for path in (folder / "lib" / f"python{VERSION}" / "site-packages").iterdir()]
    except FileNotFoundError:
        return set()
    return {name for name in names if name != "__pycache__" and not name.startswith("~")}


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


def _beside(folder: Path, ending: str) -> Path:
    return Path(f"{folder}{ending}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), sys.argv[2:])
    except Failure as failure:
        sys.exit(str(failure))
    except OSError as error:
        remedy = REMEDIES.get(error.errno or 0, "")
        sys.exit(": ".join(filter(None, [f"{error.filename or sys.argv[1]}", error.strerror, remedy])))
    except KeyboardInterrupt:
        sys.exit(130)
