"""The files of deploy/nginx: nginx accepts them, and their values fit the settings."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from benchmarks.processes.nginx import FILES, NGINX, configuration
from service.settings import Settings

RULES = (FILES / "rules.conf").read_text(encoding="utf-8")
UNITS = {"s": 1, "d": 86_400, "m": 1024**2}

needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx(8) is not installed")


def number(directive: str) -> int:
    """Seconds or bytes of the first such directive."""
    (value, unit), *_ = re.findall(rf"^{directive} (\d+)([a-z]);", RULES, re.MULTILINE)
    return int(value) * UNITS[unit]


def accepts(path: Path) -> str:
    """Error of `nginx -t`; empty if the file is valid."""
    command = [str(NGINX), "-t", "-q", "-e", "stderr", "-p", str(path.parent), "-c", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@needs_nginx
def test_nginx_accepts_the_file_for_hosts(tmp_path: Path) -> None:
    (tmp_path / "rules.conf").write_text(RULES, encoding="utf-8")
    path = tmp_path / "nginx.conf"
    path.write_text(configuration([5001, 5002], 5000, tmp_path, tmp_path / "bodies"), encoding="utf-8")
    assert accepts(path) == ""
    (tmp_path / "rules.conf").write_text(RULES + "proxy_next_upstraem error;", encoding="utf-8")
    assert "unknown directive" in accepts(path)


@needs_nginx
def test_nginx_accepts_the_files_for_containers(tmp_path: Path) -> None:
    """Without `resolve`, which needs nginx 1.27.3; Debian's is older. Addresses stand for what the image fills in."""
    template = (FILES / "replicas.conf.template").read_text(encoding="utf-8")
    filled = template.replace("${NGINX_LOCAL_RESOLVERS}", "127.0.0.11").replace(
        "${REPLICAS}", "127.0.0.1:5000"
    )
    assert "$" not in filled
    assert " resolve " in filled
    (tmp_path / "replicas.conf").write_text(filled.replace(" resolve ", " "), encoding="utf-8")
    (tmp_path / "rules.conf").write_text(RULES, encoding="utf-8")
    text = (FILES / "nginx.conf").read_text(encoding="utf-8")
    moved = text.replace("/tmp/", f"{tmp_path}/").replace("/etc/nginx/", f"{tmp_path}/")
    (tmp_path / "nginx.conf").write_text(moved, encoding="utf-8")
    assert accepts(tmp_path / "nginx.conf") == ""


def test_hosts_listen_on_ipv4_and_ipv6() -> None:
    """The harness takes the second line away, so that no other test reads it."""
    four, six = re.findall(
        r"^ *listen (.*);$", (FILES / "hosts.conf").read_text(encoding="utf-8"), re.MULTILINE
    )
    port = Settings.model_fields["port"].default
    assert four.split()[0] == str(port + 1), "a replica on the same host has the service's own port"
    assert six == f"[::]:{four}"


def test_bodies_have_the_services_limit() -> None:
    assert number("client_max_body_size") == Settings.model_fields["maximum_upload"].default
    assert number("client_body_timeout") == Settings.model_fields["patience"].default


def test_answers_have_a_day_and_connections_seconds() -> None:
    assert number("proxy_read_timeout") == number("proxy_send_timeout") == 86_400
    assert 1 < number("proxy_connect_timeout") < 10


def test_nothing_but_bodies_is_in_a_file_and_these_are_on_a_tmpfs() -> None:
    assert "proxy_max_temp_file_size 0;" in RULES
    assert "access_log off;" in RULES
    for file, folder in (("hosts.conf", "/run/"), ("nginx.conf", "/tmp/")):
        text = (FILES / file).read_text(encoding="utf-8")
        assert re.findall(r"client_body_temp_path (/\w+/)", text) == [folder]


def test_no_replica_that_should_be_there_is_marked_as_failed() -> None:
    """With all of them marked, nginx would answer 502 without an attempt."""
    for file in ("hosts.conf", "replicas.conf.template"):
        servers = re.findall(
            r"^ *server (?!\{).*;$", (FILES / file).read_text(encoding="utf-8"), re.MULTILINE
        )
        assert servers
        assert all("max_fails=0" in server for server in servers)


def test_the_config_map_has_the_containers_files() -> None:
    (made,) = yaml.safe_load((FILES / "kustomization.yaml").read_text())["configMapGenerator"]
    assert made["files"] == ["nginx.conf", "rules.conf", "replicas.conf.template"]
    assert all((FILES / name).is_file() for name in made["files"])
