"""The table of providers: their packages, missing parts, options and refusals."""

import os
import platform
import re
from dataclasses import replace
from typing import get_args

import pytest

from service.face_model import Provider as ProviderName
from service.recognition.engines.precisions import PRECISIONS
from service.recognition.ort import installed, providers
from service.recognition.ort.providers import CPU, CUDA, PROVIDERS, ProviderMissing
from service.recognition.ort.runtime import onnxruntime
from service.settings import Settings
from tests.paths import ROOT


@pytest.mark.parametrize(
    ("setting", "names"), [("providers", ("auto", *PROVIDERS)), ("precision", tuple(PRECISIONS))]
)
def test_setting_allows_the_names_of_its_table(setting: str, names: tuple[str, ...]) -> None:
    assert get_args(Settings.model_fields[setting].annotation) == names


def test_lock_and_dockerfile_of_every_provider_exist() -> None:
    """Messages name both."""
    wheels = [name for name, provider in PROVIDERS.items() if provider.plugin is None]
    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in wheels)
    assert all((ROOT / f"Dockerfile.{name}").is_file() for name in wheels)


def test_the_library_takes_the_names_of_the_table() -> None:
    assert get_args(ProviderName) == ("auto", *PROVIDERS)


@pytest.mark.parametrize(
    "provider", [provider for provider in PROVIDERS.values() if not provider.plugin], ids=lambda of: of.name
)
def test_files_of_the_wheel_tell_what_onnx_runtime_tells(provider: providers.Provider) -> None:
    assert (provider.device is None) is (provider.name not in installed.PROVIDER_FILES)
    assert installed.has_wheel(provider.name) is (provider.official in onnxruntime.get_available_providers())


def test_a_named_provider_without_its_wheel_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(installed, "has_wheel", lambda name: False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ProviderMissing) as refusal:
        providers.require("cuda")
    message = str(refusal.value)
    assert message.startswith("FACE_PROVIDERS=cuda is not possible here: the installed onnxruntime wheel")
    assert "`ACCELERATOR=cuda make serve`" in message
    assert message.endswith("Or set FACE_PROVIDERS=cpu, or FACE_ALLOW_FALLBACK=true")
    assert "\n" not in message


@pytest.mark.parametrize("name", installed.PLUGINS)
def test_a_named_plug_in_without_its_package_is_refused_with_the_command(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(installed, "find_spec", lambda package: None)
    with pytest.raises(ProviderMissing, match=re.escape(installed.COMMANDS[name])):
        providers.require(name)


def test_auto_and_the_cpu_miss_nothing() -> None:
    providers.require("auto")
    providers.require("cpu")
    assert providers.candidates("cpu") == []


def test_the_first_complete_candidate_is_found_without_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    complete = replace(CUDA, missing=lambda: None)
    monkeypatch.setattr(providers, "AUTO_ORDER", (complete,))
    monkeypatch.setattr(installed, "has_wheel", lambda name: False)
    assert providers.first_complete("auto") is CPU
    monkeypatch.setattr(installed, "has_wheel", lambda name: True)
    assert providers.first_complete("auto") is complete


def test_memory_limit_is_passed_to_cuda() -> None:
    assert CUDA.options(1 << 30, False)["gpu_mem_limit"] == "1073741824"
    assert "gpu_mem_limit" not in CUDA.options(None, False)


def test_tf32_is_off_only_by_the_environment_for_graphs_with_float16() -> None:
    assert CUDA.options(None, False)["use_tf32"] == "0"
    assert CUDA.options(None, True)["use_tf32"] == "1"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
