"""Images and containers without Docker: the lines of a Dockerfile, run as root in folders.

A base image is a Debian of the same release, RUN is a chroot, and a container is a read-only mount of the final stage's
tree in new namespaces, without a network, as the file's USER. There are no layers and no registry.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.images.dockerfile import Stage, exec_form, kept_by_dockerignore, variables

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""PATH of Docker's base images."""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables with a machine's own certificates for the registries."""
STOP_SECONDS = 60.0
CONTAINER = """
mount --bind "$root" "$root"
if [ "$key" ]; then mount --bind "$key" "$root/app/api.key"; fi
mount --options remount,bind,ro "$root"
mount --types proc proc "$root/proc"
mount --types tmpfs shm "$root/dev/shm"
"$python" -c 'import fcntl, socket, struct # SIOCSIFFLAGS, IFF_UP: not every machine has ip(8)
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))'
exec chroot --userspec="$user" --groups= "$root" "$@"
"""
"""Shell commands in the new namespaces, before the image's command, which becomes their first process."""


@dataclass(frozen=True)
class Image:
    """The final stage, its tree, and its environment and working directory after the last line."""

    stage: Stage
    root: Path
    environment: Mapping[str, str]
    directory: str

    def command(self, words: list[str], settings: Mapping[str, str]) -> list[str]:
        """`words` as a command inside, with the image's environment and in its folder."""
        merged = {**self.environment, **settings}
        given = [f"{name}={value}" for name, value in merged.items()]
        return ["/usr/bin/env", "--ignore-environment", f"--chdir={self.directory}", *given, *words]


def build(stages: list[Stage], checkout: Path, base: Callable[[str], Path], into: Path) -> Image:
    """Run the lines of all stages; the trees of the stages stay in the folder `into`.

    Raises CalledProcessError for a RUN that failed.
    """
    image = None
    for number, stage in enumerate(stages):
        root = into / str(number)
        subprocess.run(["cp", "--archive", "--reflink=auto", base(stage.base), root], check=True)
        image = _carry_out(stage, root, checkout, into / "0")
    assert image is not None
    return image


def _carry_out(stage: Stage, root: Path, checkout: Path, built: Path) -> Image:
    environment, directory = {"PATH": PATH}, "/"
    for name, text in stage.instructions:
        match name:
            case "ENV":
                environment |= {
                    key: Template(value).substitute(environment) for key, value in variables(text).items()
                }
            case "WORKDIR":
                directory = text
                Path(f"{root}{directory}").mkdir(parents=True, exist_ok=True)
            case "COPY":
                _copy(text.split(), root / directory.lstrip("/"), checkout, built)
            case "RUN":
                _run(text, Image(stage, root, environment, directory))
            case "ARG":
                environment |= variables(text)
            case _:
                assert name in ("USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"), f"{name} is unknown here"
    return Image(stage, root, environment, directory)


def _copy(words: list[str], directory: Path, checkout: Path, built: Path) -> None:
    """Files of the checkout get the modes of a checkout made with umask 077."""
    *flags, source, target = words
    if flags:
        assert flags == ["--from=build"]
        origin, ignored = built / source.lstrip("/"), shutil.ignore_patterns()
    else:
        assert source in kept_by_dockerignore(checkout)
        origin, ignored = checkout / source, shutil.ignore_patterns("__pycache__")
    if origin.is_dir():
        copied: str | Path = shutil.copytree(origin, directory / target, symlinks=True, ignore=ignored)
    else:
        copied = shutil.copy2(origin, directory / target)
    if not flags:
        subprocess.run(["chmod", "--recursive", "go=", copied], check=True)


def _run(text: str, image: Image) -> None:
    shutil.copy2("/etc/resolv.conf", image.root / "etc")
    shutil.copy2("/etc/hosts", image.root / "etc")
    registries = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.lower().endswith("_proxy")
    }
    given = (Path(os.environ.get(name) or "/") for name in CERTIFICATE_VARIABLES)
    # requests and pip also accept a folder, which is of no use to the others.
    for certificates in filter(Path.is_file, given):
        shutil.copy2(certificates, f"{image.root}{CERTIFICATES}")
        registries |= dict.fromkeys(CERTIFICATE_VARIABLES, CERTIFICATES)
    inside = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", f"--root={image.root}"]
    command = image.command(["/bin/sh", "-c", text], {"HOME": "/root", **registries})
    subprocess.run([*inside, *command], check=True, stdin=subprocess.DEVNULL)


class Container:
    """A running image, with the file `key` mounted as its API key: no file can be written, no host reached."""

    def __init__(self, image: Image, log: Path, key: Path | None = None, **settings: str) -> None:
        self.image, self._log, self._settings = image, log, settings
        if key:
            (image.root / "app" / "api.key").touch()  # as in Docker: a mount needs an existing target
        namespaces = ("--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child")
        entrypoint = image.command(exec_form(image.stage.last("ENTRYPOINT")), settings)
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [
                    "setpriv",
                    "--no-new-privs",
                    "unshare",
                    *namespaces,
                    "sh",
                    "-ec",
                    CONTAINER,
                    "sh",
                    *entrypoint,
                ],
                env={
                    **os.environ,
                    "root": str(image.root),
                    "key": str(key or ""),
                    "python": sys.executable,
                    "user": image.stage.last("USER"),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,
            )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        while not (found := children.read_text()) and self.running:
            time.sleep(0.01)
        assert found, self.log
        self._first = int(found)
        """The process id, on this machine, of the container's first process."""

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8")

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command inside, as `docker exec` and Docker's health checks do."""
        user, group = self.image.stage.last("USER").split(":")
        enter = ["nsenter", f"--target={self._first}", "--mount", "--net", "--pid", "--root"]
        inside = self.image.command(list(command), self._settings)
        return subprocess.run(
            [*enter, f"--setuid={user}", f"--setgid={group}", *inside],
            capture_output=True,
            text=True,
            check=False,
        )

    def enter_network(self) -> None:
        """Move the calling thread, for good, into the container's network. Raises OSError."""
        libc = ctypes.CDLL(None, use_errno=True)  # os.setns is of Python 3.12
        with Path(f"/proc/{self._first}/ns/net").open() as namespace:
            if libc.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), "setns")

    def stop(self) -> int:
        """SIGTERM, as by `docker stop`; the exit status."""
        os.kill(self._first, signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit status, after the end."""
        return self._process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Kill all processes; the mounts end with the last one."""
        if self.running:
            os.killpg(self._process.pid, signal.SIGKILL)
            self.wait()
