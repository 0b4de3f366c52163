"""The example of Prometheus's configuration, checked by promtool with its rules and a key."""

import shutil
from pathlib import Path

import yaml

from service.settings import Settings
from tests.unit.deploy.monitoring.promtool import ALERTS, MONITORING, needs_promtool, promtool

EXAMPLE = (MONITORING / "prometheus.yml").read_text(encoding="utf-8")
KEY_FILE = "/etc/prometheus/face-model.key"


@needs_promtool
def test_promtool_accepts_the_example(tmp_path: Path) -> None:
    key = tmp_path / "face-model.key"
    key.write_text("a-key\n")
    shutil.copy(ALERTS, tmp_path)
    file = tmp_path / "prometheus.yml"
    file.write_text(EXAMPLE.replace(KEY_FILE, str(key)))
    status, output = promtool("check", "config", str(file))
    assert status == 0, output
    assert "10 rules found" in output


@needs_promtool
def test_promtool_finds_a_planted_fault(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(EXAMPLE)
    assert promtool("check", "config", str(file))[0] != 0, "neither rules nor key are there"


def test_the_example_scrapes_the_default_port_under_the_name_of_the_alerts() -> None:
    (job,) = yaml.safe_load(EXAMPLE)["scrape_configs"]
    assert f'job="{job["job_name"]}"' in ALERTS.read_text(encoding="utf-8")
    (static,) = job["static_configs"]
    assert static["targets"] == [f"192.168.1.123:{Settings.model_fields['port'].default}"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": KEY_FILE}
