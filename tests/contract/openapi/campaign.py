"""Requests that schemathesis makes from the service's own document, and the faults that it finds in the answers."""

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.calling import KEY
from tests.paths import ROOT

PHOTOS = "OPENAPI_PHOTOS"
"""Variable with a folder of photos, for hooks.py."""
RECORD = "OPENAPI_RECORD"
"""Variable with a file, to which hooks.py adds a line for each answer: mode, method, path, status."""
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
FEW = 20
"""Largest number of random requests for a GET, which has no body: they differ in their headers alone."""
GET_CONFIGURATION = """
[[operations]]
include-method = "GET"
generation.max-examples = {examples}
"""
"""Part of the configuration for GET; `--max-examples` then holds for the other methods alone."""


@dataclass(frozen=True)
class Findings:
    """Result of a campaign."""

    report: dict[str, Any]
    """Schemathesis's report in JSON."""
    answers: Counter[str]
    """Number of answers by mode, method, path and status."""
    output: str

    @property
    def faults(self) -> set[tuple[str, str]]:
        """Kinds of failures and their operations."""
        return {
            (failure["type"], operation)
            for failure in self.report["failures"]
            for operation in failure["operations"]
        }

    def __str__(self) -> str:
        table = "\n".join(f"{count:6} {answer}" for answer, count in sorted(self.answers.items()))
        return f"{self.answers.total()} calls of {self.report['operations']['tested']} operations\n{table}"


def attack(
    port: int, photos: Path, folder: Path, *, examples: int, options: tuple[str, ...] = ()
) -> Findings:
    """Send `examples` requests of each mode to each operation with a body, and a few to the others.

    Args:
        port: of a running service on this host.
        photos: a folder of photos, for `file`.
        folder: an empty folder for the reports.
        examples: number of random requests for each operation with a body.
        options: further options of `st run`.
    """
    record, report, configuration = (
        folder / name for name in ("answers", "report.json", "schemathesis.toml")
    )
    record.touch()
    few = GET_CONFIGURATION.format(examples=min(examples, FEW))
    configuration.write_text(CONFIGURATION.read_text(encoding="utf-8") + few, encoding="utf-8")
    command: list[str | Path] = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", configuration, "run"),
        *(f"http://127.0.0.1:{port}/openapi.json", "--url", f"http://127.0.0.1:{port}"),
        *("--header", f"x-api-key: {KEY}", "--max-examples", str(examples)),
        *("--report", "json", "--report-json-path", report, "--no-color"),
        *options,
    ]
    environment = {
        **os.environ,
        PHOTOS: str(photos),
        RECORD: str(record),
        "SCHEMATHESIS_HOOKS": "tests.contract.openapi.hooks",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert report.exists(), output
    found = json.loads(report.read_text(encoding="utf-8"))
    return Findings(found, Counter(record.read_text().splitlines()), output)
