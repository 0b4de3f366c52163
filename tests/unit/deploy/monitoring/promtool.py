"""Prometheus's promtool(1), and the expressions of the files in deploy/monitoring."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.paths import ROOT

MONITORING = ROOT / "deploy" / "monitoring"
ALERTS = MONITORING / "alerts.yml"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="there is no promtool(1) here (Debian: prometheus)"
)

VARIABLES = {"$__rate_interval": "5m", "$instance": ".*"}
"""Grafana's variables in expressions of the dashboard, and a value of each."""
_TEXT = re.compile(r'"[^"]*"')
_METRIC = re.compile(r"\b(?:face|process)_[a-z_]+\b")
_LABELS = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"|\bby \(([^)]*)\)")


def promtool(*arguments: str) -> tuple[int, str]:
    """Exit status and output."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def check_expressions(expressions: list[str], folder: Path) -> str:
    """Faults that promtool finds in expressions, each as the rule of a recorded series; empty without one."""
    rules = [{"record": f"test:expression{number}", "expr": text} for number, text in enumerate(expressions)]
    file = folder / "expressions.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "expressions", "rules": rules}]}))
    status, output = promtool("check", "rules", str(file))
    return output if status else ""


def rules() -> list[dict[str, Any]]:
    """The alert rules."""
    (group,) = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


def panels() -> list[dict[str, Any]]:
    """The panels of the dashboard that show data."""
    return [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> list[str]:
    """All expressions of the dashboard, with a value for each variable."""
    return [_without_variables(target["expr"]) for panel in panels() for target in panel["targets"]]


def all_expressions() -> list[str]:
    return [*dashboard_expressions(), *(rule["expr"] for rule in rules())]


def metrics_in(expression: str) -> set[str]:
    """Names of metrics in an expression."""
    return set(_METRIC.findall(_TEXT.sub('""', expression)))


def labels_in(expression: str) -> Iterator[str]:
    """Names of labels in matchers and groupings."""
    for matched, grouped in _LABELS.findall(expression):
        yield from [matched] if matched else [name.strip() for name in grouped.split(",")]


def _without_variables(expression: str) -> str:
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    return expression
