"""requirements/environment.py and bare.py, run as by the Makefile, on locks of nothing or of one small package."""

import ast
import errno
import hashlib
import json
import os
import platform
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from model_store import errors, sources
from tests.paths import ROOT
from tests.processes import with_tmpfs
from tests.unit.model_store.test_sources import (
    PIP_ON_A_FULL_DISK,
    PIP_WITH_A_DEFECT,
    PIP_WITHOUT_A_NETWORK,
    PIP_WITHOUT_A_RIGHT,
)

SCRIPT = ROOT / "requirements" / "environment.py"
CONSTANTS = runpy.run_path(str(SCRIPT))
PYTHON = (sys.executable,)
FAKED = "import {imports}, runpy, sys; {fake}; sys.argv[0:1] = []; runpy.run_path(sys.argv[0], run_name='__main__')"
"""Python's code that runs a script after the statement `fake`."""
WITHOUT_PRIVILEGES = ("setpriv", "--bounding-set=-all", "--inh-caps=-all") if os.geteuid() == 0 else ()
"""The words before a command for which the permissions of files hold for root, too."""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    shutil.copy(SCRIPT, tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.txt").write_text("# nothing\n")
    return tmp_path / "environment.py"


@pytest.fixture
def registry(script: Path) -> Path:
    """A folder with the wheel of the package `small`, for which there is a lock."""
    folder = script.parent / "registry"
    folder.mkdir()
    wheel = folder / "small-1.0-py3-none-any.whl"
    metadata = {
        "METADATA": "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = {"small.py": "", **{f"small-1.0.dist-info/{name}": text for name, text in metadata.items()}}
    record = "".join(f"{name},,\n" for name in (*files, "small-1.0.dist-info/RECORD"))
    with zipfile.ZipFile(wheel, "w") as file:
        for name, text in {**files, "small-1.0.dist-info/RECORD": record}.items():
            file.writestr(name, text)
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (script.parent / "small.txt").write_text(f"small==1.0 \\\n    --hash=sha256:{sha256}\n")
    return folder


def _run(script: Path, *locks: str, **variables: str) -> str:
    command = [sys.executable, str(script), str(script.parent / "venv"), *locks]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **variables}, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _failure(script: Path, *locks: str, before: Sequence[str] = PYTHON, folder: Path | None = None) -> str:
    """The one line of a run that fails; `before`: the words before the script."""
    command = [*before, str(script), str(folder or script.parent / "venv"), *locks]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def _faked(fake: str, imports: str = "os") -> tuple[str, ...]:
    return (sys.executable, "-c", FAKED.format(fake=fake, imports=imports))


def _packages(script: Path) -> Path:
    return next((script.parent / "venv").glob("lib/python*/site-packages"))


@pytest.mark.not_quick
def test_unchanged_locks_install_nothing(script: Path) -> None:
    assert _run(script, "one") == f"making the environment {script.parent / 'venv'}\ninstalling one\n"
    assert _run(script, "one") == ""
    (script.parent / "one.txt").write_text("# something else\n")
    assert _run(script, "one") == "installing one\n"


@pytest.mark.slow
def test_another_lock_is_added_to_the_environment(script: Path) -> None:
    _run(script, "one")
    assert _run(script, "two") == "installing one, two\n"
    assert _run(script, "one", "two") == ""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="cuda.txt is for x86-64")
def test_another_accelerator_rebuilds_the_environment(script: Path) -> None:
    for name in ("cpu", "cuda"):
        (script.parent / f"{name}.txt").write_text("# nothing\n")
    _run(script, "cpu", "one")
    assert "again: another accelerator's wheel would overwrite files" in _run(script, "cuda")
    assert _run(script, "one") == "installing cuda, one\n"
    assert _run(script, "cuda") == ""


@pytest.mark.slow
def test_bare_removes_all_packages_outside_of_the_locks(script: Path) -> None:
    shutil.copy(ROOT / "requirements" / "bare.py", script.parent)
    _run(script, "one")
    packages = _packages(script)
    assert (packages / "pip").exists()
    for name in ("Wanted_Package", "unwanted"):
        metadata = packages / f"{name}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "RECORD").write_text(f"{name}-1.0.dist-info/METADATA,,\n{name}-1.0.dist-info/RECORD,,\n")
    (script.parent / "two.txt").write_text("wanted-package==1.0 \\\n    --hash=sha256:00\n")
    assert "unwanted" in _run(script.with_name("bare.py"), "one", "two")
    assert [path.name for path in packages.glob("*.dist-info")] == ["Wanted_Package-1.0.dist-info"]
    assert not (packages / "pip").exists()
    (script.parent / "two.txt").write_text("# nothing\n")
    assert "making the environment" in _run(script, "one"), "an environment without pip is rebuilt"


@pytest.mark.slow
def test_an_interrupted_installation_rebuilds_the_environment(script: Path) -> None:
    _run(script, "one")
    (script.parent / "venv" / "installed.json").unlink()
    (script.parent / "venv" / "bin" / "pip").write_text("cut off")
    assert "again: its installation was not finished" in _run(script, "one")
    pip = script.parent / "venv" / "bin" / "pip"
    subprocess.run([pip, "--version"], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_two_processes_at_once_install_once(script: Path) -> None:
    command = [sys.executable, str(script), str(script.parent / "venv"), "one"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ) for _ in range(2)]
    printed = [process.communicate()[0].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("making the environment" in text for text in printed) == [False, True]


@pytest.mark.parametrize(
    "by_file", [pytest.param(False, marks=pytest.mark.not_quick), pytest.param(True, marks=pytest.mark.slow)]
)
def test_neither_options_of_pip_nor_other_packages_redirect_an_installation(
    script: Path, registry: Path, by_file: bool
) -> None:
    """Options for the registry apply. A package in PYTHONPATH does not count as installed."""
    other = script.parent / "other"
    with zipfile.ZipFile(next(registry.iterdir())) as wheel:
        wheel.extractall(other)
    elsewhere = str(script.parent / "elsewhere")
    redirections = {
        **dict.fromkeys(("target", "root", "prefix"), elsewhere),
        **dict.fromkeys(("dry-run", "quiet", "no-deps"), "1"),
        "python": "/nonexistent",
    }
    options = {**redirections, "no-index": "1", "find-links": str(registry)}
    if by_file:
        file = script.parent / "pip.conf"
        file.write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in options.items())]))
        variables = {"PIP_CONFIG_FILE": str(file)}
    else:
        variables = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in options.items()}
    _run(script, "small", PYTHONPATH=str(other), **variables)
    assert (_packages(script) / "small.py").exists()
    assert not Path(elsewhere).exists()


def test_an_unreadable_configuration_of_pip_is_a_failure(
    script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = script.parent / "pip.conf"
    file.write_text("[global\nproxy = http://proxy:3128\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    functions = runpy.run_path(str(script))
    with pytest.raises(functions["Failure"]) as caught:
        functions["_registry"](Path(sys.prefix))
    line = str(caught.value)
    assert line.startswith("pip's configuration is not readable: ")
    assert "File contains no section headers" in line
    assert str(file) in line
    assert line.endswith("PIP_CONFIG_FILE=/dev/null make serve")
    assert "\n" not in line


@pytest.mark.slow
def test_a_removed_package_rebuilds_the_environment(script: Path, registry: Path) -> None:
    variables = {"PIP_FIND_LINKS": str(registry), "PIP_NO_INDEX": "1"}
    _run(script, "small", **variables)
    (_packages(script) / "small.py").unlink()
    assert "again: it lacks small.py\n" in _run(script, "small", **variables)
    assert (_packages(script) / "small.py").exists()
    assert _run(script, "small") == ""


@pytest.mark.slow
def test_a_replaced_python_rebuilds_the_environment(script: Path) -> None:
    _run(script, "one")
    python = script.parent / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nonexistent/python3")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"again: its Python {version} does not start\n" in _run(script, "one")
    python.unlink()
    python.write_text("#!/bin/sh\necho 3.99\n")
    python.chmod(0o755)
    assert f"again: its Python {version} was replaced by 3.99\n" in _run(script, "one")
    stamp = script.parent / "venv" / "installed.json"
    stamp.write_text(json.dumps({**json.loads(stamp.read_text()), "python": "3.10"}))
    assert f"again: it has Python 3.10, and {sys.executable} is {version}\n" in _run(script, "one")


@pytest.mark.slow
def test_a_complete_environment_needs_no_writable_tree(script: Path) -> None:
    _run(script, "one")
    (script.parent / "venv.lock").unlink()
    script.parent.chmod(0o500)
    command = [*WITHOUT_PRIVILEGES, sys.executable, str(script), str(script.parent / "venv"), "one"]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b""
    script.parent.chmod(0o700)


@pytest.mark.slow
def test_a_failed_installation_is_one_line_and_leaves_no_stamp(script: Path, registry: Path) -> None:
    folder = script.parent / "venv"
    refused = ("env", "PIP_INDEX_URL=http://127.0.0.1:1/", "PIP_RETRIES=1", *PYTHON)
    line = _failure(script, "small", before=refused)
    assert line.startswith(f"The packages are not installed in {folder}: ")
    assert ": no connection to the registry; set pip's proxy or mirror, as in: PIP_PROXY=" in line
    (script.parent / "small.txt").write_text(f"small==1.0 --hash=sha256:{'0' * 64}\n")
    tampered = ("env", f"PIP_FIND_LINKS={registry}", "PIP_NO_INDEX=1", *PYTHON)
    assert ": THESE PACKAGES DO NOT MATCH THE HASHES" in _failure(script, "small", before=tampered)
    assert not (folder / "installed.json").exists()


@pytest.mark.not_quick
@pytest.mark.parametrize("folder", ["full/venv", "venv"])
def test_a_full_disk_is_one_line(script: Path, folder: str) -> None:
    """Of the environment and of temporary files, or only of the latter, where pip's installer meets it."""
    full = script.parent / "full"
    full.mkdir()
    before = (*with_tmpfs(full, "size=1m"), "env", f"TMPDIR={full}", *PYTHON)
    line = _failure(script, "one", before=before, folder=script.parent / folder)
    assert "No space left on device" in line
    assert "free some space there and in TMPDIR" in line


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (
            PIP_ON_A_FULL_DISK,
            "X: OSError: [Errno 28] No space left on device: '/tmp/pip-unpack-yf15/a.tar.gz' -> '/models/a.tar.gz'"
            ": {NO_SPACE}",
        ),
        (
            PIP_WITHOUT_A_RIGHT,
            "X: Could not install packages due to an OSError: [Errno 13] Permission denied: '/models/weights'"
            ": {NO_RIGHT}",
        ),
        (PIP_WITH_A_DEFECT, "X: ValueError: planted"),
        (
            PIP_WITHOUT_A_NETWORK,
            "X: No matching distribution found for face_recognition_models==0.3.0: {CONNECTION}",
        ),
        ("", "X: pip failed without a message"),
    ],
)
def test_the_reason_of_a_failed_pip_is_that_of_the_weights_sources(output: str, line: str) -> None:
    constants = runpy.run_path(str(SCRIPT))
    expected = line.format_map(constants)
    assert constants["reason"]("X", output) == expected
    error = sources._pip_error(output, Path("/models"), "FACE_STORE")
    of_the_disk = line.endswith(("{NO_SPACE}", "{NO_RIGHT}"))
    assert isinstance(error, errors.StorageError) is of_the_disk
    assert of_the_disk or expected == f"X: {error}"


def test_constants_for_a_failed_pip_are_those_of_the_weight_store() -> None:
    constants = runpy.run_path(str(SCRIPT))
    assert constants["REMEDIES"].keys() == errors.WRITE_ERRORS
    assert constants["OS_ERROR"] == sources.PIP_OS_ERROR
    assert constants["REASON_CHARACTERS"] == sources.PIP_REASON_CHARACTERS


def test_supported_pythons_are_those_of_the_project() -> None:
    constants = runpy.run_path(str(SCRIPT))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (oldest, newest) = constants["OLDEST"], constants["NEWEST"]
    assert project["requires-python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"


@pytest.mark.parametrize("version", [(3, 6), (3, 10), (3, 15)])
def test_another_python_is_one_line(script: Path, version: tuple[int, int]) -> None:
    ast.parse(script.read_text(encoding="utf-8"), feature_version=min(version, (3, 11)))
    line = _failure(script, "one", before=_faked(f"sys.version_info = ({version[0]}, {version[1]}, 0)"))
    assert f" is Python {version[0]}.{version[1]}; required is 3.11 to 3.14." in line
    assert "PYTHON=python3.12 make serve" in line


def test_a_python_without_ensurepip_is_one_line(script: Path) -> None:
    line = _failure(script, "one", before=_faked("sys.modules['ensurepip'] = None"))
    assert line.endswith(f": apt install python{sys.version_info[0]}.{sys.version_info[1]}-venv\n")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_one_line(script: Path, number: int) -> None:
    fake = f"fcntl.flock = lambda *_: exec('raise OSError({number}, os.strerror({number}))')"
    line = _failure(script, "one", before=_faked(fake, "fcntl, os"))
    assert "this file system has no file locks; name a folder elsewhere, as in: VENV=" in line


def test_a_tree_that_cannot_be_written_is_one_line(script: Path) -> None:
    script.parent.chmod(0o500)
    line = _failure(script, "one", before=(*WITHOUT_PRIVILEGES, *PYTHON))
    script.parent.chmod(0o700)
    assert f"{script.parent / 'venv.lock'}: Permission denied: give the folder to this account" in line


def test_a_folder_with_other_files_is_not_cleared(script: Path) -> None:
    kept = script.parent / "venv" / "letter.txt"
    kept.parent.mkdir()
    kept.touch()
    assert "venv was not made by this script, so it is not cleared: remove it" in _failure(script, "one")
    assert kept.exists()


def test_an_environment_of_the_user_is_not_cleared(script: Path) -> None:
    folder = script.parent / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    kept = _packages(script) / "own.py"
    kept.touch()
    assert f"{folder} was not made by this script, so it is not cleared" in _failure(script, "one")
    assert kept.exists()


@pytest.mark.parametrize("lock", sorted(CONSTANTS["X86_64_ONLY"]))
def test_a_provider_of_another_processor_is_one_line(script: Path, lock: str) -> None:
    (script.parent / f"{lock}.txt").write_text("# nothing\n")
    line = _failure(script, "one", lock, before=_faked("platform.machine = lambda: 'aarch64'", "platform"))
    assert line.startswith(f"{lock}.txt locks its provider for linux x86_64 only, and this machine is ")
    assert line.endswith(" aarch64; use the CPU, as in: ACCELERATOR=cpu make serve\n")
    assert not (script.parent / "venv").exists()


@pytest.mark.parametrize("file", sorted((ROOT / "requirements").glob("*.txt")), ids=lambda file: file.stem)
def test_the_platform_of_a_provider_is_that_of_its_lock(file: Path) -> None:
    marker = (
        r"^onnxruntime-(?:gpu|ep-openvino)==\S+ ; platform_machine == '(\w+)' and sys_platform == '(\w+)' "
    )
    found = re.findall(marker, file.read_text(encoding="utf-8"), re.MULTILINE)
    platforms = [f"{system} {machine}" for machine, system in found]
    assert platforms == ([CONSTANTS["X86_64"]] if file.stem in CONSTANTS["X86_64_ONLY"] else [])


def test_locks_of_one_import_package_exclude_each_other() -> None:
    wheel = re.compile(r"^onnxruntime(?:-gpu)?==", re.MULTILINE)
    locks = (ROOT / "requirements").glob("*.txt")
    with_wheel = {file.stem for file in locks if wheel.search(file.read_text(encoding="utf-8"))}
    assert with_wheel == CONSTANTS["ONE_OF"]


def test_a_path_with_a_colon_is_one_line(script: Path) -> None:
    folder = script.parent / "a:b"
    shutil.copytree(script.parent, folder)
    assert "cannot hold a colon" in _failure(folder / script.name, "one")


def _printed(*words: str, **given: str) -> list[list[str]]:
    """The commands that make would run."""
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ACCELERATOR"))
    }
    printed = subprocess.run(
        ["make", "--dry-run", *words],
        cwd=ROOT,
        env={**others, **given},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [shlex.split(line, comments=True) for line in printed.splitlines()]


@pytest.mark.parametrize(
    ("accelerator", "locks"),
    [("cpu", ["cpu"]), ("openvino", ["cpu", "openvino"]), ("cuda", ["cuda"]), ("cuda13", ["cuda13"])],
)
def test_an_accelerator_is_one_or_two_locks(accelerator: str, locks: list[str]) -> None:
    commands = {words[1]: words[3:] for words in _printed("image", ACCELERATOR=accelerator) if len(words) > 3}
    assert commands["requirements/environment.py"] == [*locks, "dlib", "convert"]
    assert commands["requirements/bare.py"] == [*locks, "dlib"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("image",), True),
        (("convert", "ACCELERATOR=cuda13"), True),
        (("convert", "ACCELERATOR=openvino"), True),
        (("convert",), bool([*Path("/dev/dri").glob("renderD*")])),
    ],
)
def test_images_and_machines_with_a_card_have_the_graph_of_a_device(
    words: tuple[str, ...], expected: bool
) -> None:
    (conversion,) = (command for command in _printed(*words) if command[1:3] == ["-m", "conversion"])
    assert ("--device" in conversion) is expected


def test_serve_runs_its_steps_in_order_with_the_python_of_the_environment() -> None:
    found, made, *steps = _printed("serve", VENV="/a folder/venv")
    assert found[:2] == ["command", "-v"]
    assert made[1:3] == ["requirements/environment.py", "/a folder/venv"]
    steps[-1].remove("exec")
    assert {python for python, *_ in steps} == {"/a folder/venv/bin/python"}
    modules = ["service", "model_store", "conversion", "service", "service"]
    assert [module for _, _, module, *_ in steps] == modules
