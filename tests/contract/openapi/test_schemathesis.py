"""Answers to requests that schemathesis makes from the document: valid and invalid, with photos and random files."""

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.processes.running import Service
from service.web.openapi.document import document
from tests.contract.openapi.campaign import Findings, attack
from tests.contract.openapi.planted_web import FAULTS
from tests.services import StartService

OPERATIONS = len(document()["paths"])
"""One for each path, `/openapi.json` included: the configuration of GET selects that too."""


@pytest.fixture(scope="module")
def samples(portrait: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small portrait in three formats."""
    folder = tmp_path_factory.mktemp("samples")
    with Image.open(io.BytesIO(portrait)) as photo:
        small = photo.convert("RGB").resize((125, 240))
    for kind in ("jpg", "png", "webp"):
        small.save(folder / f"photo.{kind}")
    return folder


@pytest.fixture(scope="module")
def fast_service(start_service: StartService) -> Service:
    """A service of model 3, whose detector is the fastest."""
    running = start_service(FACE_MODEL="3")
    running.wait_until_ready()
    return running


def check(findings: Findings, service: Service, *, calls: int) -> None:
    """Asserts that the answers conform, and that real photos are among the requests; prints their numbers."""
    print(findings)
    assert findings.faults == set(), findings.output
    assert findings.report["complete"], findings.output
    assert not findings.report["errors"], findings.output
    assert findings.report["operations"]["tested"] == OPERATIONS
    assert findings.answers.total() >= calls
    for path in ("/detect", "/compute"):
        assert findings.answers[f"positive POST {path} 200"] >= calls / 20, "too few photos"
        assert findings.answers[f"positive POST {path} 415"], "no random file"
        assert findings.answers[f"negative POST {path} 400"], "no malformed form"
    assert not any(answer.split()[-1].startswith("5") for answer in findings.answers)
    assert "Traceback" not in service.log
    assert service.process.poll() is None


def test_conforms(fast_service: Service, samples: Path, tmp_path: Path) -> None:
    # The same requests at each run; the slow test makes others.
    findings = attack(fast_service.port, samples, tmp_path, examples=300, options=("--seed", "1"))
    check(findings, fast_service, calls=1000)


@pytest.mark.slow
def test_conforms_in_thousands_of_calls(fast_service: Service, samples: Path, tmp_path: Path) -> None:
    check(attack(fast_service.port, samples, tmp_path, examples=2500), fast_service, calls=4000)


def test_planted_faults_are_found(start_service: StartService, samples: Path, tmp_path: Path) -> None:
    planted = start_service(
        command=(sys.executable, "-m", "tests.contract.openapi.planted_web"), FACE_MODEL="3"
    )
    planted.wait_until_ready()
    findings = attack(planted.port, samples, tmp_path, examples=1)
    paths = {"prometheus": "metrics"}
    expected = {(kind, f"GET /{paths.get(name, name)}") for name, (_, kind) in FAULTS.items()}
    assert expected <= findings.faults, findings.output
    assert {operation for _, operation in findings.faults} == {operation for _, operation in expected}
