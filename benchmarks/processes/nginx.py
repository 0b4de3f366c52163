"""nginx before several replicas on this machine, with the files of deploy/nginx."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes.running import ROOT, START_SECONDS, free_port

FILES = ROOT / "deploy" / "nginx"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
"""The program; None where it is not installed. A user's PATH lacks Debian's folder for it."""
MEMORY = Path("/dev/shm")
"""A tmpfs of every Linux, for the bodies."""

_AROUND = """{account}
daemon off;
worker_processes 2;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 4096; }}
http {{
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {site}
}}
"""
_ATTEMPT = ", upstream: "
"""Text in the line of a failed attempt."""
_LOG = "error.log"
"""nginx's log in its folder: a line for each attempt that failed, with addresses and paths, and nothing of a body."""


class NginxEnded(RuntimeError):
    """nginx ended at its start; the message holds its log."""


class Front(NamedTuple):
    """A running nginx."""

    port: int
    process: subprocess.Popen[bytes]
    """Its master process."""
    bodies: Path
    """Folder of the bodies."""
    log: Path

    @property
    def failed_attempts(self) -> int:
        """Number of connections to replicas that were refused, reset or closed without an answer."""
        return sum(_ATTEMPT in line for line in self.log.read_text(encoding="utf-8").splitlines())


def configuration(replicas: Sequence[int], port: int, folder: Path, bodies: Path) -> str:
    """A whole configuration around deploy/nginx/hosts.conf, for replicas on these ports of this machine.

    Args:
        replicas: ports.
        port: the port to listen on.
        folder: nginx's files, but for bodies; holds a copy of the rules, `rules.conf`.
        bodies: a folder on a tmpfs.
    """
    servers = "\n".join(f"server 127.0.0.1:{replica} max_fails=0;" for replica in replicas)
    site = (FILES / "hosts.conf").read_text(encoding="utf-8")
    for pattern, value in (
        (r"(?:^ *server 192\S+ max_fails=0;\n)+", f"{servers}\n"),
        (r"^ *listen \[::\].*\n", ""),
        (r"listen 5001", f"listen 127.0.0.1:{port}"),
        (r"client_body_temp_path \S+;", f"client_body_temp_path {bodies};"),
        (r"include \S+;", f"include {folder}/rules.conf;"),
    ):
        site, replaced = re.subn(pattern, value, site, flags=re.MULTILINE)
        if replaced != 1:
            raise ValueError(f"{FILES / 'hosts.conf'}: {pattern!r} occurs {replaced} times")
    # As root, nginx would give the folders to another account, which cannot reach them.
    account = "user root;" if os.geteuid() == 0 else ""
    return _AROUND.format(account=account, folder=folder, site=site)


@contextmanager
def bodies_folder() -> Iterator[Path]:
    """A new folder on a tmpfs, removed at the end."""
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="face-model-") as folder:
        yield Path(folder)


@contextmanager
def front(replicas: Sequence[int], folder: Path, *, rules: str | None = None) -> Iterator[Front]:
    """nginx with the rules of deploy/nginx.

    Args:
        replicas: ports of services on this machine, which need not listen yet.
        folder: an empty folder for nginx's files.
        rules: the text of other rules than deploy/nginx/rules.conf.

    Raises:
        NginxEnded: it has ended at its start.
    """
    if NGINX is None:
        raise NginxEnded("nginx is not installed")
    port = free_port()
    (folder / "rules.conf").write_text(
        (FILES / "rules.conf").read_text(encoding="utf-8") if rules is None else rules, encoding="utf-8"
    )
    with bodies_folder() as bodies:
        path = folder / "nginx.conf"
        path.write_text(configuration(replicas, port, folder, bodies), encoding="utf-8")
        log = folder / _LOG
        process = subprocess.Popen([NGINX, "-e", str(log), "-p", str(folder), "-c", str(path)])
        try:
            _wait(process, port, log)
            yield Front(port, process, bodies, log)
        finally:
            # Not SIGKILL, which would leave its workers.
            process.terminate()
            process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return once nginx listens."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise NginxEnded(f"nginx does not listen, status {process.poll()}: {log.read_text(encoding='utf-8')}")
