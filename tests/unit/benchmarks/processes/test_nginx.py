"""nginx's configuration for replicas on this machine."""

from pathlib import Path

import pytest

from benchmarks.processes import nginx
from benchmarks.processes.nginx import configuration


def test_the_configuration_has_the_replicas_in_place_of_the_examples() -> None:
    text = configuration([5001, 5002], 5000, Path("/folder"), Path("/bodies"))
    servers = [line.strip() for line in text.splitlines() if line.strip().startswith("server 1")]
    assert servers == ["server 127.0.0.1:5001 max_fails=0;", "server 127.0.0.1:5002 max_fails=0;"]
    assert "listen 127.0.0.1:5000 so_keepalive" in text
    assert "client_body_temp_path /bodies;" in text
    assert "include /folder/rules.conf;" in text


def test_a_file_of_another_form_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hosts.conf").write_text("upstream replicas {}")
    monkeypatch.setattr(nginx, "FILES", tmp_path)
    with pytest.raises(ValueError, match="occurs 0 times"):
        configuration([5001], 5000, tmp_path, tmp_path)
