"""The structure of the Grafana dashboard, and its expressions in promtool's parser."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deploy.monitoring.promtool import (
    DASHBOARD,
    check_expressions,
    dashboard_expressions,
    needs_promtool,
    panels,
)

COLUMNS = 24
SCHEMA_OF_GRAFANA_11 = 39
"""Version of the JSON that Grafana 11.0 writes; later ones convert an older one, and not a newer one."""
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def test_panels_have_unique_ids_and_places() -> None:
    shown = DASHBOARD["panels"]
    identifiers = [panel["id"] for panel in shown]
    assert len(set(identifiers)) == len(identifiers)
    squares: set[tuple[int, int]] = set()
    for panel in shown:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        covered = set(
            itertools.product(
                range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
            )
        )
        assert squares.isdisjoint(covered), panel["title"]
        squares |= covered


def test_no_part_is_of_one_machine() -> None:
    assert DASHBOARD["id"] is None
    assert SCHEMA_OF_GRAFANA_11 <= DASHBOARD["schemaVersion"] <= 41
    names = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert names["datasource"]["type"] == "datasource"
    assert names["datasource"]["current"] == {}
    sources = [*datasources(DASHBOARD)]
    assert len(sources) > len(panels())
    assert all(source == DATASOURCE for source in sources)
    used = set(re.findall(r"\$\{?(\w+)", json.dumps(DASHBOARD)))
    assert used <= names.keys() | {"__rate_interval", "__all"}


def datasources(part: Any) -> list[Any]:
    """All values of the key `datasource`."""
    match part:
        case dict():
            own = [part["datasource"]] if "datasource" in part else []
            return own + [found for value in part.values() for found in datasources(value)]
        case list():
            return [found for value in part for found in datasources(value)]
    return []


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_has_a_description_and_targets(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    references = [target["refId"] for target in panel["targets"]]
    assert references
    assert len(set(references)) == len(references)
    for target in panel["targets"]:
        assert 'instance=~"$instance"' in target["expr"]
        instant = panel["type"] in ("stat", "table")
        assert (target.get("instant", False), target["range"]) == (instant, not instant)


@needs_promtool
def test_promtool_parses_every_expression(tmp_path: Path) -> None:
    assert check_expressions(dashboard_expressions(), tmp_path) == ""


@needs_promtool
def test_a_planted_fault_is_found(tmp_path: Path) -> None:
    assert "parse error" in check_expressions(["sum by (stage) (rate(face_faces_total[5m])"], tmp_path)
