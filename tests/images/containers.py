"""Images and containers without Docker: Dockerfiles' own lines, in trees of files, by root of a Linux.

What stands for Docker here: a base image is a Debian of the same release, RUN is a chroot in namespaces of its own,
and a container is a read-only view of the final stage's tree, without a network, as the file's USER. There are no
layers and no registry.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmarks import processes
from tests.images.contained import Order
from tests.images.dockerfile import DockerfileError, Instruction, Stage, expand

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Of Docker's base images."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Where a machine may name the certificates that its way to the registries needs."""
CLONE_NEWNET = 0x40000000
STOP_SECONDS = 60.0

_libc = ctypes.CDLL(None, use_errno=True)


class BuildError(Exception):
    """A line of a Dockerfile failed or cannot be carried out here."""


@dataclass(frozen=True)
class Image:
    """The final stage's tree, and what its lines say about running it."""

    root: Path
    directory: str
    environment: Mapping[str, str]
    user: tuple[int, int]
    entrypoint: list[str]
    healthcheck: list[str]
    port: int


def build(stages: list[Stage], context: Path, base: Callable[[str], Path], into: Path) -> Image:
    """Carries out the lines of all stages.

    Args:
        stages: of a Dockerfile.
        context: the folder that COPY copies from, already without what .dockerignore names.
        base: gives the tree of a base image by its name.
        into: an empty folder for the trees of the stages.

    Raises:
        BuildError: a RUN failed, or a COPY has no source.
    """
    roots: dict[str, Path] = {}
    for number, stage in enumerate(stages):
        root = into / str(number)
        below = roots.get(stage.base) or base(stage.base)
        subprocess.run(["cp", "--archive", "--reflink=auto", below, root], check=True)
        environment, directory = _carry_out(stage, root, context, roots)
        roots |= {str(number): root} | ({stage.name: root} if stage.name else {})
    user, _, group = stage.last("USER").text.partition(":")
    return Image(
        root,
        directory,
        environment,
        (int(user), int(group)),
        stage.last("ENTRYPOINT").command(),
        stage.last("HEALTHCHECK").command(),
        int(stage.last("EXPOSE").text),
    )


def _carry_out(
    stage: Stage, root: Path, context: Path, roots: Mapping[str, Path]
) -> tuple[dict[str, str], str]:
    """The environment and the working directory after the last line."""
    environment, directory = {"PATH": PATH}, "/"
    for instruction in stage.instructions:
        match instruction.name:
            case "ENV" | "ARG":
                environment |= {name: expand(text, environment) for name, text in instruction.pairs().items()}
            case "WORKDIR":
                directory = str(PurePosixPath(directory, expand(instruction.text, environment)))
                Path(f"{root}{directory}").mkdir(parents=True, exist_ok=True)
            case "COPY":
                origin = roots[instruction.flags["from"]] if "from" in instruction.flags else context
                _copy(instruction, origin, root, directory)
            case "RUN":
                _run(instruction, root, directory, environment)
            case "USER" | "EXPOSE" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD":
                pass  # about running the image
            case _:
                raise DockerfileError(
                    f"line {instruction.line}: {instruction.name} cannot be carried out here"
                )
    return environment, directory


def _copy(instruction: Instruction, origin: Path, root: Path, directory: str) -> None:
    *sources, target = instruction.words
    destination = Path(f"{root}{PurePosixPath(directory, target)}")
    for source in (origin / source.lstrip("/") for source in sources):
        if not source.exists():
            raise BuildError(f"line {instruction.line}: there is no {source}")
        into = destination / source.name if source.is_file() and target.endswith("/") else destination
        into.parent.mkdir(parents=True, exist_ok=True)
        # The content of a folder, as Docker does, not the folder.
        subprocess.run(["cp", "--archive", "--no-target-directory", source, into], check=True)


def _run(instruction: Instruction, root: Path, directory: str, environment: Mapping[str, str]) -> None:
    binds = {
        str(Path(path).resolve()): path for path in ("/etc/resolv.conf", "/etc/hosts") if Path(path).exists()
    }
    passed = {name: value for name, value in os.environ.items() if _about_registries(name)}
    given = [
        os.environ[name] for name in CERTIFICATE_VARIABLES if Path(os.environ.get(name) or "/").is_file()
    ]
    if given:
        binds[given[0]] = CERTIFICATES
        passed |= dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES)
    for inside in binds.values():
        Path(f"{root}{inside}").touch()
    order = Order(
        str(root), directory, instruction.command(), {"HOME": "/root", **environment, **passed}, binds=binds
    )
    ended = subprocess.run(order.launch(), stdin=subprocess.DEVNULL, check=False)
    if ended.returncode:
        raise BuildError(f"line {instruction.line}: RUN {instruction.text} ended with {ended.returncode}")


def _about_registries(name: str) -> bool:
    """Whether a variable says how this machine reaches them: pip's own settings, proxies."""
    return name.startswith("PIP_") or name.lower().endswith("_proxy")


class Container:
    """A running image: nothing can be written, nothing outside can be reached."""

    def __init__(self, image: Image, settings: Mapping[str, str], binds: Mapping[str, str]) -> None:
        self._image = image
        self._environment = {**image.environment, **settings}
        for inside in binds.values():
            Path(f"{image.root}{inside}").touch()  # as Docker does, to have something to mount over
        self._order = Order(
            str(image.root),
            image.directory,
            image.entrypoint,
            self._environment,
            image.user,
            {str(path): inside for path, inside in binds.items()},
            read_only=True,
            network=False,
        )
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            self._order.launch(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            self.lines.extend(iter(lines.readline, ""))

    @property
    def log(self) -> str:
        """What it has printed."""
        return "".join(self.lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    @property
    def first(self) -> int:
        """The container's first process, by its number out here. Raises ProcessLookupError while there is none."""
        launcher = self._process.pid
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        if not children:
            raise ProcessLookupError("the container's first process is not there yet")
        return int(children[0])

    def peak_memory(self) -> float:
        """MiB of all the container's processes at their peaks, as `processes.peak_memory` counts them."""
        return processes.peak_memory(self.first)

    def run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Runs a command inside, as `docker exec` and Docker's health checks do."""
        user, group = self._image.user
        inside = ["--mount", "--net", "--pid", "--root", "--wd", f"--setuid={user}", f"--setgid={group}"]
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        return subprocess.run(
            ["nsenter", f"--target={self.first}", *inside, "env", "-i", *variables, *command],
            capture_output=True,
            text=True,
            check=False,
        )

    @contextmanager
    def network(self) -> Iterator[None]:
        """This thread's new sockets are the container's."""
        with Path("/proc/thread-self/ns/net").open() as own, Path(f"/proc/{self.first}/ns/net").open() as its:
            _enter(its.fileno())
            try:
                yield
            finally:
                _enter(own.fileno())

    def stop(self) -> int:
        """SIGTERM, as `docker stop` sends it; the exit status."""
        os.kill(self.first, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit status, once it has ended."""
        status = self._process.wait(STOP_SECONDS)
        self._reader.join()
        return status

    def close(self) -> None:
        """Leaves nothing running; what was mounted goes with the last process."""
        if self.running:
            # The launcher's end alone would not reach it: a process that becomes somebody else is no longer told of its
            # parent's (prctl(2), PR_SET_PDEATHSIG). The launcher ends with it.
            try:
                os.kill(self.first, signal.SIGKILL)
            except ProcessLookupError:
                self._process.kill()
            self.wait()


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def context_of(checkout: Path, into: Path) -> Path:
    """Copies what `.dockerignore` keeps, which here is a list of `!name`s, and never a `__pycache__`."""
    into.mkdir()
    for name in kept(checkout):
        source = checkout / name
        if source.is_dir():
            shutil.copytree(source, into / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, into / name)
    return into


def kept(checkout: Path) -> list[str]:
    """The names that `.dockerignore` keeps. Raises DockerfileError where it says anything else."""
    first, *names, last = (checkout / ".dockerignore").read_text(encoding="utf-8").split()
    if (first, last) != ("*", "**/__pycache__") or not all(name.startswith("!") for name in names):
        raise DockerfileError(".dockerignore is not: everything but some names, and no __pycache__")
    return [name.removeprefix("!") for name in names]
