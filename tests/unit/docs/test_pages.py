"""Links, paths, settings, endpoints and commands of the documentation exist, and planted faults are found."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import documentation
from tests.documentation import DOCS, PAGES, README
from tests.unit.docs.checks import dead_links, missing_paths, unknown_endpoints, unknown_settings
from tests.unit.docs.commands import failing_commands
from tests.unit.docs.modules import parses


@pytest.fixture(params=PAGES, ids=documentation.name_of)
def page(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


@pytest.fixture
def text(page: Path) -> str:
    return documentation.text_of(page)


def test_paths_exist(text: str) -> None:
    assert missing_paths(text) == []


def test_links_lead_somewhere(page: Path, text: str) -> None:
    assert dead_links(page, text) == []


def test_settings_exist(page: Path, text: str) -> None:
    # The changelog names removed settings, too.
    assert page.name == "CHANGELOG.md" or unknown_settings(text) == []


def test_endpoints_exist(text: str) -> None:
    assert unknown_endpoints(text) == []


@pytest.mark.not_quick
def test_commands_start(text: str) -> None:
    assert failing_commands(text) == []


@pytest.mark.parametrize("index", [README, DOCS / "README.md"], ids=documentation.name_of)
def test_an_index_links_every_page(index: Path) -> None:
    linked = {(index.parent / link).resolve() for link in documentation.links(documentation.text_of(index))}
    assert {page for page in DOCS.rglob("*.md") if page.name != "README.md"} <= linked


def test_readme_is_short() -> None:
    text = documentation.text_of(README)
    assert len(text.splitlines()) <= 150
    assert len(text.split()) <= 1000


@pytest.mark.parametrize(
    ("check", "sound", "planted"),
    [
        (unknown_settings, "`FACE_MODEL=3 make serve`", "`FACE_MODLE=3 make serve`"),
        (unknown_settings, "set `FACE_MEMORY`", "set `FACE_MEM`"),
        (missing_paths, "`service/web/`", "`service/wep/`"),
        (missing_paths, "`compose.yaml`", "`composed.yaml`"),
        (missing_paths, "`Dockerfile.cpu`", "`Dockerfile.nope`"),
        (unknown_endpoints, "`GET /open`", "`GET /opened`"),
        (unknown_endpoints, "`/ready`", "`/redy`"),
        (failing_commands, "`make bench ARGS=--full`", "`make benches`"),
        (failing_commands, "`make bench OUT=x`", "`make bench OUTPUT=x`"),
        (failing_commands, "`make serve quick`", "`make serve quick nosuch`"),
        (failing_commands, '`make gpu-check ARGS="--minutes 4"`', '`make gpu-check ARGS="--hours 4"`'),
        (failing_commands, "`make check ARGS=x`", "`make check BIN=x`"),
        (failing_commands, "`make fuzz SEED=1`", "`make fuzz CONVERT=1`"),
        (failing_commands, "`openssl rand | make check`", "`openssl rand | make nosuch`"),
        (failing_commands, '`make bench ARGS="--only parity"`', '`make bench ARGS="--solely parity"`'),
        (failing_commands, "`.venv/bin/python -m service check`", "`.venv/bin/python -m service chek`"),
        (failing_commands, "`./face-model check photo.jpg --json`", "`./face-model check photo.jpg --jsn`"),
        (failing_commands, "`face-model models list`", "`face-model models lst`"),
        (
            failing_commands,
            "`docker compose exec cpu face-model check`",
            "`docker compose exec cpu face-model chek`",
        ),
        (failing_commands, "`.venv/bin/python -m model_store list`", "`.venv/bin/python -m model_shop list`"),
        (
            failing_commands,
            "`.venv/bin/python -m benchmarks --only parity`",
            "`.venv/bin/python -m benchmarks --part parity`",
        ),
        (failing_commands, "`docker compose --profile cpu up`", "`docker compose --profile rocm up`"),
        (
            failing_commands,
            "`docker compose exec cpu python -m service check`",
            "`docker compose exec rocm python -m service check`",
        ),
        (
            failing_commands,
            "`docker compose exec -e FACE_MODEL=3 cpu python -m service check`",
            "`docker compose exec -e FACE_MODEL=3 cpu python -m service chek`",
        ),
        (failing_commands, "`docker compose up`", "`docker compose upp`"),
        (failing_commands, "`docker compose up --build`", "`docker compose up --biuld`"),
        (
            failing_commands,
            "`docker compose --profile cpu-front restart cpu-behind-front`",
            "`docker compose --profile cpu-front restart cpu-behind-frnt`",
        ),
        (failing_commands, "`docker build . -f Dockerfile.cpu`", "`docker build . -f Dockerfile.gpu`"),
        (
            failing_commands,
            "`docker buildx build . --file Dockerfile.cpu`",
            "`docker buildx build . --file Dockerfile.nope`",
        ),
        (failing_commands, "`docker build`", "`docker build .`"),
        (
            failing_commands,
            "`python3 .github/scripts/release_notes.py v1.2.3 > notes.md`",
            "`python3 .github/scripts/nosuch.py v1.2.3`",
        ),
        (failing_commands, "`.venv/bin/python requirements/sbom.py`", "`.venv/bin/python nosuch.py`"),
        (failing_commands, "`php occ face:setup -m 5`", "`php occ face:setup --modell 5`"),
        (failing_commands, "```sh\ngit pull\n```", "```sh\ngti pull\n```"),
        (
            failing_commands,
            "```sh\ncurl http://localhost:5000/open\n```",
            "```sh\ncurl http://localhost:5000/opne\n```",
        ),
        (
            failing_commands,
            "```sh\ncurl https://localhost:5000/ready\n```",
            "```sh\ncurl https://localhost:5000/redy\n```",
        ),
        (
            failing_commands,
            "```sh\ncp deploy/systemd/face-model.* /etc/\n```",
            "```sh\ncp deploy/systemd/face-modle.* /etc/\n```",
        ),
        (
            failing_commands,
            "```sh\ncp /opt/face-model/deploy/haproxy/haproxy.cfg /etc/\n```",
            "```sh\ncp /opt/face-model/deploy/haproxy.cfg /etc/\n```",
        ),
    ],
)
@pytest.mark.not_quick
def test_a_planted_fault_is_found(check: Callable[[str], list[str]], sound: str, planted: str) -> None:
    assert check(sound) == []
    assert len(check(planted)) == 1


@pytest.mark.parametrize("program", ["", "raise SystemExit", "import sys; sys.exit(0)"])
def test_a_module_that_parses_no_arguments_is_found(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parses_nothing.py").write_text(program)
    monkeypatch.syspath_prepend(tmp_path)
    assert not parses("parses_nothing", ["--nosuch"])


def test_a_planted_dead_link_is_found() -> None:
    sound = "[a](docs/README.md#guide) [b](#here)\n\n# Here\n"
    assert dead_links(README, sound) == []
    planted = "[a](docs/REDME.md) [b](docs/README.md#guid) [c](#there)\n\n# Here\n"
    assert dead_links(README, planted) == ["docs/REDME.md", "docs/README.md#guid", "#there"]
