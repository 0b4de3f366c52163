"""What upstream's documented `docker run` lines ask of the image, read off the Dockerfile."""

import re

from service.recognition.models import MODELS
from tests.conftest import ROOT

LINES = (ROOT / "Dockerfile.cpu").read_text(encoding="utf-8")
RUNNING = LINES.split("FROM ")[-1]


def test_a_key_mounted_at_app_api_key_is_the_default_key_file() -> None:
    assert "WORKDIR /app\n" in RUNNING
    assert "API_KEY" not in RUNNING


def test_the_port_of_upstream_is_exposed() -> None:
    assert "EXPOSE 5000\n" in RUNNING
    assert "PORT=5000" in RUNNING


def test_the_service_runs_without_a_shell_and_without_root() -> None:
    assert RUNNING.rstrip().endswith('ENTRYPOINT ["python", "-m", "service", "serve"]')
    assert re.search(r"^USER (?!root)\w+$", RUNNING, re.MULTILINE)


def test_the_build_compiles_the_loops_of_every_detector_where_any_account_reads_them() -> None:
    building = LINES.removesuffix(RUNNING)
    checked = {MODELS[int(number)] for number in re.findall(r"FACE_MODEL=(\d) .*-m service check", building)}
    assert {(model.detector, model.confirmed_by_hog) for model in checked} >= {("hog", False), ("cnn", True)}
    assert "COPY --from=build /app /app\n" in RUNNING
    assert "NUMBA" not in LINES


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", LINES, re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied == kept
    assert all((ROOT / source).exists() for source in copied)
