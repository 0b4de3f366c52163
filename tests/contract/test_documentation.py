"""Documented requests, answers and metrics are those of the running service."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from benchmarks.processes.running import Service
from tests import documentation
from tests.calling import KEY, Caller
from tests.documentation import DOCS, README

LOCAL = "http://localhost:5000"
API = documentation.text_of(DOCS / "reference" / "http-api.md")
REQUESTS = sorted(
    {
        command.line
        for page in (README, *DOCS.rglob("*.md"))
        for command in documentation.commands(documentation.text_of(page))
        if command.words[0] == "curl" and LOCAL in command.line
    }
)
EXAMPLES = [
    (request, example)
    for heading in ("/detect", "/compute", "/open")
    for section in [API.partition(f"## `{heading}`\n")[2].partition("\n## ")[0]]
    for request in documentation.shell_lines(section)
    for example in documentation.code_blocks(section, "json")
]
PREFIXES = ("face_worker_process_", "process_", "python_")
"""Metrics of processes, which are documented by their prefixes."""


def _answer(request: str, service: Service, folder: Path, portrait: bytes) -> str:
    """Output of a documented request, run in a folder with a key and a photo."""
    (folder / "api.key").write_text(f"{KEY}\n")
    (folder / "photo.jpg").write_bytes(portrait)
    command = request.replace(LOCAL, f"http://localhost:{service.port}").replace(
        "curl ", "curl -sS --fail ", 1
    )
    done = subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("request_", REQUESTS)
def test_a_documented_request_succeeds(
    request_: str, service: Service, tmp_path: Path, portrait: bytes
) -> None:
    assert _answer(request_, service, tmp_path, portrait)


@pytest.mark.parametrize(("request_", "example"), EXAMPLES, ids=["detect", "compute", "open"])
def test_a_documented_answer_has_the_fields_of_the_real_one(
    request_: str, example: str, service: Service, tmp_path: Path, portrait: bytes
) -> None:
    real = json.loads(_answer(request_, service, tmp_path, portrait))
    assert _shape(json.loads(example)) == _shape(real)


def _shape(value: object) -> object:
    """Names of all fields, in order; of a list, its first element."""
    match value:
        case dict():
            return [(name, _shape(field)) for name, field in value.items()]
        case [first, *_]:
            return [_shape(first)]
        case float() | int():
            return "number"
    return type(value).__name__


def test_each_metric_is_documented(caller: Caller) -> None:
    exported = set(re.findall(r"^# TYPE (\w+) \w+$", caller.get("/metrics").body.decode(), re.MULTILINE))
    table = documentation.rows(documentation.text_of(DOCS / "guide" / "monitoring.md"), "Metrics")
    documented: set[str] = set()
    for cells in table:
        names = documentation.inline_code(cells[0])
        base = names[0].removesuffix("_granted")
        documented |= {base + name if name.startswith("_") else name for name in names}
    exported = {name for name in exported if not name.endswith("_created") and not name.startswith(PREFIXES)}
    assert exported == {name for name in documented if not name.endswith("*")}
