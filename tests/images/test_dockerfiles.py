"""Both Dockerfiles: bases, key, port, user, and what upstream's documented `docker run` lines require."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from model_store.models import MODELS
from service.settings import Settings
from tests.images.dockerfile import Stage, exec_form, kept_by_dockerignore, read, variables
from tests.paths import ROOT

FILES = {name: ROOT / f"Dockerfile.{name}" for name in ("cpu", "cuda")}
CUDA_13 = "--build-arg ACCELERATOR=cuda13"
LOCKED = "make=4.4.1-*"
VULKAN = {"libvulkan1": "1.4.309.0-*", "mesa-vulkan-drivers": "25.0.7-*"}
"""The versions of Debian's stable release; only their packaging may change."""
SOFTWARE_DRIVER = ("/usr/share/vulkan/icd.d/lvp_icd.json", "/usr/lib/*/libvulkan_lvp.so")
"""Lavapipe: its manifest for Vulkan's loader, and its library."""


@pytest.fixture(params=FILES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stages(name: str) -> list[Stage]:
    return read(FILES[name])


@pytest.fixture
def final(stages: list[Stage]) -> Stage:
    return stages[-1]


def test_hadolint_reports_nothing(name: str) -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([hadolint, FILES[name]], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_each_build_runs_make_for_its_accelerator(name: str, stages: list[Stage]) -> None:
    building = stages[0]
    assert building.last("ARG") == f"ACCELERATOR={name}"
    assert (ROOT / "requirements" / f"{name}.txt").exists()
    assert (CUDA_13 in FILES[name].read_text(encoding="utf-8")) is (name == "cuda")
    packages, *made = building.all("RUN")
    assert made == ["make environment", "make image"]
    assert LOCKED in packages


def test_the_base_image_has_an_exact_version(stages: list[Stage]) -> None:
    (base,) = {stage.base for stage in stages}
    assert re.fullmatch(r"python:3\.13\.\d+-slim-trixie", base)


def test_the_default_key_file_is_app_api_key(final: Stage) -> None:
    assert final.last("WORKDIR") == "/app"
    assert str(Settings.model_fields["api_key_file"].default) == "api.key"
    assert not [text for _, text in final.instructions if "API_KEY" in text or "api.key" in text]


def test_upstreams_port_is_exposed(final: Stage) -> None:
    assert final.last("EXPOSE") == "5000"
    assert variables(final.last("ENV"))["PORT"] == "5000"


def test_the_service_runs_without_a_shell_and_without_root(final: Stage) -> None:
    assert exec_form(final.last("ENTRYPOINT")) == ["python", "-m", "service", "serve"]
    assert exec_form(final.last("HEALTHCHECK")) == ["python", "-m", "service.healthcheck"]
    user, group = map(int, final.last("USER").split(":"))
    assert min(user, group) > 0, "numeric, so that an orchestrator can check that it is not root"


def test_the_build_compiles_the_loops_of_every_detector() -> None:
    made = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nimage:")[2].partition("\n\n")[0]
    checked = {MODELS[int(number)] for number in re.findall(r"FACE_MODEL=(\d) .*-m service check", made)}
    assert {(model.detector, model.confirmed_by_hog) for model in checked} >= {("hog", False), ("cnn", True)}


def test_the_final_stage_keeps_the_folder_of_machine_code(stages: list[Stage]) -> None:
    assert "service" in [copy.split()[-1] for copy in stages[-1].all("COPY")]
    assert not [text for stage in stages for _, text in stage.instructions if "NUMBA" in text]


def test_copied_files_exist_and_are_not_ignored(stages: list[Stage]) -> None:
    copied = {copy.split()[0] for copy in stages[0].all("COPY")}
    assert copied == set(kept_by_dockerignore(ROOT))
    assert all((ROOT / source).exists() for source in copied)


def test_the_cpu_image_has_vulkan_drivers_of_cards_alone() -> None:
    final = read(FILES["cpu"])[-1]
    (command,) = final.all("RUN")
    installed, removed = re.findall(r"(?:--no-install-recommends|-rf) ([^&]+)", command)
    assert dict(word.split("=") for word in installed.split()) == VULKAN
    assert set(removed.split()) == {"/var/lib/apt/lists/*", *SOFTWARE_DRIVER}
    assert variables(final.last("ENV"))["MESA_SHADER_CACHE_DISABLE"] == "true", "the container is read-only"


def test_both_files_are_equal_but_for_the_accelerator_and_its_drivers() -> None:
    cpu, cuda = ([(stage.base, _common(stage)) for stage in read(file)] for file in FILES.values())
    assert cuda == cpu
    assert not read(FILES["cuda"])[-1].all("RUN"), "NVIDIA's driver is the host's"


def _common(stage: Stage) -> list[tuple[str, str]]:
    """The instructions of a stage, but for the accelerator's name, and what installs or configures its drivers."""
    own = re.compile(r"(NVIDIA|MESA)_\w+=\S+\s+|(?<=ACCELERATOR=)\w+")
    common = [(name, own.sub("", text)) for name, text in stage.instructions]
    return [(name, text) for name, text in common if "mesa-vulkan-drivers" not in text]
