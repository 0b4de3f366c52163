"""nginx and Caddy as HTTPS proxies, with the files of deploy/proxy and a certificate of the test."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from benchmarks.processes.running import free_port
from tests.calling import Caller
from tests.faults.front import listens
from tests.paths import ROOT
from tests.waiting import eventually

FILES = ROOT / "deploy" / "proxy"
UPSTREAM = "127.0.0.1:5000"
"""The service's address in these files."""
HOST = "localhost"
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin"

NGINX = shutil.which("nginx", path=SYSTEM_PATH)
CADDY = shutil.which("caddy", path=SYSTEM_PATH)

NGINX_AROUND = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # Lower than the defaults, so that each test shows which of them the tested file replaces.
    client_max_body_size 1k;
    client_body_timeout 500ms;
    proxy_read_timeout 500ms;
    proxy_send_timeout 500ms;
    {servers}
}}
"""
NGINX_SITE = """
server {{
    listen 443 ssl;
    server_name cloud.example.org;
    ssl_certificate /etc/letsencrypt/live/faces.example.org/fullchain.pem;
    ssl_certificate_key /etc/letsencrypt/live/faces.example.org/privkey.pem;
    location / {{ return 404; }}
    {location}
}}
"""
"""An existing site, which includes nginx-path.conf."""
CADDY_AROUND = """{{
	admin off
	auto_https disable_redirects
	servers {{
		protocols h1 h2
	}}
}}
{sites}
"""


class Certificate(NamedTuple):
    """A self-signed certificate for localhost, and its key."""

    certificate: Path
    key: Path

    @classmethod
    def made_in(cls, folder: Path) -> "Certificate":
        made = cls(folder / "certificate.pem", folder / "key.pem")
        files = ["-keyout", str(made.key), "-out", str(made.certificate)]
        name = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *name, *files]
        subprocess.run(command, check=True, capture_output=True)
        return made


@dataclass(frozen=True)
class HttpsCaller(Caller):
    """The app's client over TLS, which trusts one certificate."""

    certificate: Path = field(default=Path(), kw_only=True)

    @cached_property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def connect(self) -> socket.socket:
        return self.context.wrap_socket(super().connect(), server_hostname=HOST)

    def _head(self, method: bytes, path: str, lines: Sequence[bytes]) -> bytes:
        """As in the app, with the site's name, by which Caddy chooses the site."""
        head = super()._head(method, path, lines)
        return head.replace(b"Host: 127.0.0.1", b"Host: " + HOST.encode())


class Proxy(NamedTuple):
    """A running proxy."""

    caller: HttpsCaller
    pid: int


def nginx_configuration(file: str, upstream: str, port: int, certificate: Certificate, folder: Path) -> str:
    """nginx.conf or nginx-path.conf, with the port, the upstream and the certificate of a test."""
    text = (FILES / file).read_text(encoding="utf-8")
    servers = text if "server {" in text else NGINX_SITE.format(location=text)
    for pattern, value in (
        (r"listen 443", f"listen 127.0.0.1:{port}"),
        (r"listen \[::\]:443 ssl;", ""),
        (r"\S+/fullchain.pem", str(certificate.certificate)),
        (r"\S+/privkey.pem", str(certificate.key)),
        (re.escape(UPSTREAM), upstream),
    ):
        servers = re.sub(pattern, value, servers)
    return NGINX_AROUND.format(folder=folder, servers=servers)


def caddy_configuration(file: str, upstream: str, port: int, certificate: Certificate) -> str:
    """Caddyfile or Caddyfile-path, with the port, the upstream and the certificate of a test."""
    text = (FILES / file).read_text(encoding="utf-8")
    tls = f"tls {certificate.certificate} {certificate.key}"
    sites, replaced = re.subn(
        r"^(?:\S+faces\.example\.org\}|cloud\.example\.org) \{$",
        f"https://{HOST}:{port} {{\n{tls}",
        text,
        flags=re.MULTILINE,
    )
    assert replaced == 1
    return CADDY_AROUND.format(sites=sites.replace(UPSTREAM, upstream))


@contextmanager
def nginx(upstream: str, folder: Path, file: str = "nginx.conf") -> Iterator[Proxy]:
    """nginx in front of `upstream` (host:port), with its temporary files in `folder`."""
    assert NGINX
    port, certificate = free_port(), Certificate.made_in(folder)
    path = folder / "nginx.conf"
    path.write_text(nginx_configuration(file, upstream, port, certificate, folder), encoding="utf-8")
    with _running([NGINX, "-e", "stderr", "-p", str(folder), "-c", str(path)], port, certificate) as proxy:
        yield proxy


@contextmanager
def caddy(upstream: str, folder: Path, file: str = "Caddyfile") -> Iterator[Proxy]:
    """Caddy in front of `upstream` (host:port), with its files in `folder`."""
    assert CADDY
    port, certificate = free_port(), Certificate.made_in(folder)
    path = folder / "Caddyfile"
    path.write_text(caddy_configuration(file, upstream, port, certificate), encoding="utf-8")
    command = ["env", f"HOME={folder}", f"XDG_DATA_HOME={folder}", f"XDG_CONFIG_HOME={folder}", CADDY]
    with _running([*command, "run", "--config", str(path)], port, certificate) as proxy:
        yield proxy


@contextmanager
def _running(command: Sequence[str], port: int, certificate: Certificate) -> Iterator[Proxy]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        eventually("the proxy or its end", lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, "the proxy has ended at its start"
        yield Proxy(HttpsCaller(port, certificate=certificate.certificate), process.pid)
    finally:
        process.kill()
        process.wait()
