"""The time of several replicas, in lines and in JSON."""

import pytest

from service.commands.estimate.forecast import Forecast
from service.commands.estimate.several import HEADS, Several
from service.commands.shared.errors import CommandError
from service.estimate.resources import Replica, Site

ONE = Forecast(
    5_000_000, 173.6, 480.0, 1.2, 300, "by the running service", [], Replica(8.0, at_once=2, megapixels=1.2)
)


def test_lines_name_the_bottleneck_the_next_one_and_the_workers(capsys: pytest.CaptureFixture[str]) -> None:
    Several.of(ONE, Site(8)).print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[:6] == [
        "8 replicas: 22 hours, at 3,840 a minute",
        "Bottleneck: replicas",
        "Next bottleneck: network before the front, from 116 replicas on",
        "Workers of the app: --workers=45, of which one for each replica waits there",
        "Nextcloud itself needs 21 cores to prepare the photos; with fewer it is the bottleneck: --nextcloud-cores=C "
        "counts them",
        "Resource\tMost photos a minute\tEnough for\tNeeded of what there is\tFigure",
    ]
    rows = {cells[0]: cells[1:] for cells in (line.split("\t") for line in lines[6:])}
    assert rows["replicas"] == [
        "3,840",
        "",
        "8 replicas of 8",
        "rate of this sample, without pauses of the callers",
    ]
    assert rows["network before the front"][:3] == ["55,480", "115 replicas", "65 Mbit/s of 941"]
    assert rows["preparation in Nextcloud"][:3] == ["not known", "not known", "21 cores"]


def test_lines_name_no_next_bottleneck_beside_another_one_than_the_replicas(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Several.of(ONE, Site(8, cores=4)).print()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "8 replicas: 4.7 days, at 736 a minute"
    assert lines[1:4] == [
        "Bottleneck: preparation in Nextcloud",
        "Workers of the app: --workers=45, of which one for each replica waits there",
        "\t".join(HEADS),
    ]


def test_json_has_all_figures() -> None:
    found = Several.of(ONE, Site(1, workers=1)).as_json()
    assert (found["number"], found["bottleneck"], found["workers"]) == (1, "workers of the app", 6)
    assert found["next_bottleneck"] is None
    assert found["hours"] == pytest.approx(5_000_000 * (0.25 + 0.326) / 3600)
    assert found["photos_per_minute"] == pytest.approx(60 / (0.25 + 0.326))
    resources = found["resources"]
    assert isinstance(resources, list)
    assert len(resources) == 7
    assert resources[3].keys() == {
        *("resource", "unit", "needed", "amount"),
        *("photos_per_minute", "replicas", "source"),
    }


def test_json_has_the_next_bottleneck_of_the_replicas() -> None:
    assert Several.of(ONE, Site(8)).as_json()["next_bottleneck"] == "network before the front"


def test_a_service_without_the_figures_is_a_fault_with_a_way_out() -> None:
    with pytest.raises(CommandError, match="older version"):
        Several.of(ONE._replace(replica=None), Site(2))
