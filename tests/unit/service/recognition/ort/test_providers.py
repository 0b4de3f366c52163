"""Choice of the provider, CPU fallback at the start, and the errors of a provider that cannot be used."""

import logging
import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from model_store.models import MODELS
from service.recognition.engines.precisions import PRECISIONS
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.ort import installed, providers
from service.recognition.ort.providers import (
    CPU,
    CUDA,
    PROVIDERS,
    ProviderMissing,
    choose,
)
from service.recognition.ort.runtime import onnxruntime
from service.recognition.recognizer import Recognizer
from service.settings import Settings
from tests.paths import ROOT


def _wheel_with(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(installed, "has_wheel", lambda name: name in (*names, CPU.name))


def _with(monkeypatch: pytest.MonkeyPatch, provider: providers.Provider) -> None:
    """Replace the table's provider of this name."""
    monkeypatch.setattr(providers, "PROVIDERS", {**PROVIDERS, provider.name: provider})
    monkeypatch.setattr(providers, "AUTO_ORDER", (provider,))


def _opened(model: int, store: Path, provider: str, *, allow_fallback: bool = False) -> Recognizer:
    return open_recognizer(MODELS[model], store, provider=provider, allow_fallback=allow_fallback)


@pytest.mark.parametrize(
    ("setting", "names"), [("providers", ("auto", *PROVIDERS)), ("precision", tuple(PRECISIONS))]
)
def test_setting_allows_the_names_of_its_table(setting: str, names: tuple[str, ...]) -> None:
    assert get_args(Settings.model_fields[setting].annotation) == names


def test_lock_and_dockerfile_of_every_provider_exist() -> None:
    """Messages name both."""
    assert all((ROOT / "requirements" / f"{name}.txt").is_file() for name in PROVIDERS)
    assert all((ROOT / f"Dockerfile.{name}").is_file() for name in PROVIDERS)


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=PROVIDERS)
def test_files_of_the_wheel_tell_what_onnx_runtime_tells(provider: providers.Provider) -> None:
    assert (provider.device is None) is (provider.name not in installed.PROVIDER_FILES)
    assert installed.has_wheel(provider.name) is (provider.official in onnxruntime.get_available_providers())


def test_auto_chooses_the_cpu_silently_if_the_wheel_has_no_other_provider(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch)
    assert choose("auto", allow_fallback=False).provider is CPU
    assert caplog.records == []


def test_auto_falls_back_to_the_cpu_and_warns_of_the_missing_part(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch, CUDA.name)
    _with(monkeypatch, replace(CUDA, missing=lambda: "there is no driver"))
    assert choose("auto", allow_fallback=False).provider is CPU
    assert [record.getMessage() for record in caplog.records] == [
        "the CPU computes, since cuda cannot: there is no driver"
    ]


def test_auto_chooses_a_complete_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel_with(monkeypatch, CUDA.name)
    _with(monkeypatch, replace(CUDA, missing=lambda: None))
    assert choose("auto", allow_fallback=False).provider.official == CUDA.official


def test_rejects_a_named_provider_missing_wheel_and_names_the_requirements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _wheel_with(monkeypatch)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    with pytest.raises(ProviderMissing) as refusal:
        choose("cuda", allow_fallback=False)
    message = str(refusal.value)
    assert message.startswith("FACE_PROVIDERS=cuda is not possible here: the installed onnxruntime wheel")
    assert "`ACCELERATOR=cuda make serve`" in message
    assert message.endswith("Or set FACE_PROVIDERS=cpu, or FACE_ALLOW_FALLBACK=true")
    assert "\n" not in message


def test_named_provider_falls_back_to_the_cpu_with_an_error_in_the_log_if_allowed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch)
    assert choose("cuda", allow_fallback=True).provider is CPU
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "FACE_PROVIDERS=cuda is not possible here" in record.getMessage()


@pytest.mark.skipif(installed.has_wheel(CUDA.name), reason="this wheel has CUDA, and needs no fallback")
def test_silent_fallback_of_a_session_stops_the_start(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing provider that passes as complete: ONNX Runtime raises a warning, and would compute on the CPU."""

    def opened(allow_fallback: bool) -> str:
        recognizer = _opened(3, store, "cuda", allow_fallback=allow_fallback)
        recognizer.close()
        return recognizer.stages()["descriptors"].provider

    _wheel_with(monkeypatch, CUDA.name)
    _with(monkeypatch, replace(CUDA, missing=lambda: None))
    with (
        pytest.warns(UserWarning, match=CUDA.official),
        pytest.raises(RecognizerError, match=f"for {CUDA.official}: .*fallback to CPU"),
    ):
        opened(allow_fallback=False)
    with pytest.warns(UserWarning, match=CUDA.official):
        assert opened(allow_fallback=True) == CPU.official
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().endswith("The CPU computes instead.")


def test_memory_limit_is_passed_to_cuda() -> None:
    assert CUDA.options(1 << 30, False)["gpu_mem_limit"] == "1073741824"
    assert "gpu_mem_limit" not in CUDA.options(None, False)


def test_tf32_is_off_only_by_the_environment_for_graphs_with_float16() -> None:
    assert CUDA.options(None, False)["use_tf32"] == "0"
    assert CUDA.options(None, True)["use_tf32"] == "1"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"
