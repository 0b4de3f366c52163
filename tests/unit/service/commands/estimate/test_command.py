"""The command `estimate`: its arguments, its lines and its JSON."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from service.commands.estimate import measurement, running
from service.commands.estimate.command import command
from service.commands.estimate.forecast import Forecast
from service.commands.shared.client import Service
from service.commands.shared.errors import CommandError
from service.estimate.library import Option
from service.estimate.resources import Replica
from service.settings import Settings

FORECAST = Forecast(
    40_000,
    1.3,
    512.8,
    1.2,
    300,
    "by the running service",
    [Option("4 cores", 0.7, "measured")],
    Replica(8.0, at_once=2, megapixels=1.2),
)


def test_a_running_service_is_asked_without_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Service, int]] = []

    def forecast(service: Service, photos: int) -> Forecast:
        asked.append((service, photos))
        return FORECAST

    monkeypatch.setattr(running, "forecast", forecast)
    result = CliRunner().invoke(command, ["--photos", "40000"], env={"PORT": "5001"})
    assert asked == [(Service("http://localhost:5001"), 40_000)]
    first, _, option = result.output.splitlines()
    assert first == (
        "40,000 photos: 1.3 hours, at 513 a minute (300 photos of 1.2 megapixels, by the running service)"
    )
    assert option == "4 cores\t42 minutes\tmeasured"


def test_json_has_all_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "forecast", lambda *_: FORECAST)
    result = CliRunner().invoke(command, ["--photos", "40000", "--json"])
    assert json.loads(result.output) == {
        "photos": 40_000,
        "hours": 1.3,
        "photos_per_minute": 512.8,
        "megapixels": 1.2,
        "sample": 300,
        "origin": "by the running service",
        "options": [{"change": "4 cores", "hours": 0.7, "source": "measured"}],
    }


def test_replicas_add_their_time_and_their_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "forecast", lambda *_: FORECAST)
    arguments = ["--photos", "40000", "--replicas", "3"]
    lines = CliRunner().invoke(command, arguments).output.splitlines()
    assert lines[0].startswith("40,000 photos: 1.3 hours, at 513 a minute")
    assert lines[1] == "3 replicas: 28 minutes, at 1,440 a minute"
    assert not any(line.startswith("4 cores") for line in lines)
    limits = ["--workers", "5", "--nextcloud-cores", "2", "--network", "3", "--json"]
    found = json.loads(CliRunner().invoke(command, [*arguments, *limits]).output)
    assert found["hours"] == 1.3
    assert found["replicas"]["bottleneck"] == "network before the front"
    amounts = {each["resource"]: each["amount"] for each in found["replicas"]["resources"]}
    assert amounts["workers of the app"] == 5
    assert amounts["preparation in Nextcloud"] == 2
    assert amounts["network before the front"] == pytest.approx(3, rel=0.06)


def test_a_sample_is_measured_at_the_given_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    measured: list[object] = []

    def forecast(_: Settings, paths: Sequence[Path], megapixels: float, photos: int) -> Forecast:
        measured.extend([*paths, megapixels, photos])
        return FORECAST

    monkeypatch.setattr(measurement, "forecast", forecast)
    assert CliRunner().invoke(command, ["--photos", "7", "--megapixels", "4", str(tmp_path)]).exit_code == 0
    assert measured == [tmp_path / "a.jpg", 4.0, 7]


def test_a_folder_without_photos_is_a_fault(tmp_path: Path) -> None:
    error = CliRunner().invoke(command, ["--photos", "7", str(tmp_path)]).exception
    assert isinstance(error, CommandError)
    assert "no photo" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--photos", "0"],
        ["--photos", "9", "--megapixels", "1"],
        ["--photos", "9", "--megapixels", "0", "."],
        ["--photos", "9", "--url", "http://a", "."],
        ["--photos", "9", "/no/such/folder"],
        ["--photos", "9", "--replicas", "0"],
        ["--photos", "9", "--workers", "4"],
        ["--photos", "9", "--nextcloud-cores", "4"],
        ["--photos", "9", "--network", "100"],
    ],
)
def test_impossible_arguments_are_faults_of_usage(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, arguments).exit_code == 2
