"""Which provider is taken, and what is said about one that cannot be."""

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from model_store.models import MODELS
from service.recognition.factory import FLOAT32, MIXED, RecognizerError, open_recognizer
from service.recognition.ort import providers
from service.recognition.ort.providers import (
    CPU,
    CUDA,
    PROVIDERS,
    ProviderMissing,
    chosen,
)
from service.recognition.ort.runtime import onnxruntime
from service.recognition.recognizer import Recognizer
from service.settings import Settings

ROOT = Path(__file__).parents[5]


def _wheel_with(monkeypatch: pytest.MonkeyPatch, *official: str) -> None:
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: [*official, CPU.official], raising=True
    )


def _with(monkeypatch: pytest.MonkeyPatch, provider: providers.Provider) -> None:
    """Put a provider into the table, in the place of the one of its name."""
    monkeypatch.setattr(providers, "PROVIDERS", {**PROVIDERS, provider.name: provider})
    monkeypatch.setattr(providers, "BEST", tuple(provider for _ in providers.BEST))


def _opened(
    model: int, store: Path, provider: str, *, allow_fallback: bool = False, precision: str = FLOAT32
) -> Recognizer:
    return open_recognizer(
        MODELS[model],
        engine="onnx",
        store=store,
        workers=1,
        threads=0,
        provider=provider,
        allow_fallback=allow_fallback,
        precision=precision,
    )


def test_the_setting_offers_what_the_table_has() -> None:
    literal = Settings.model_fields["providers"].annotation
    assert get_args(literal) == ("auto", *PROVIDERS)


def test_every_lock_that_is_named_exists() -> None:
    assert all((ROOT / provider.lock).is_file() for provider in PROVIDERS.values())


def test_auto_takes_the_cpu_of_a_wheel_that_has_nothing_else_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch)
    assert chosen("auto", allow_fallback=False) is CPU
    assert caplog.records == []


def test_auto_says_what_an_installed_wheel_for_a_gpu_lacks_and_takes_the_cpu(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch, CUDA.official)
    _with(monkeypatch, replace(CUDA, missing=lambda: "there is no driver"))
    assert chosen("auto", allow_fallback=False) is CPU
    assert [record.getMessage() for record in caplog.records] == [
        "the CPU computes, since cuda cannot: there is no driver"
    ]


def test_auto_takes_a_gpu_that_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel_with(monkeypatch, CUDA.official)
    _with(monkeypatch, replace(CUDA, missing=lambda: None))
    assert chosen("auto", allow_fallback=False).official == CUDA.official


def test_a_named_provider_that_the_wheel_lacks_is_refused_in_one_line_that_names_the_right_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _wheel_with(monkeypatch)
    with pytest.raises(ProviderMissing) as refusal:
        chosen("cuda", allow_fallback=False)
    message = str(refusal.value)
    assert message.startswith("FACE_PROVIDERS=cuda is not possible here")
    assert f"has no {CUDA.official}: install {CUDA.lock}" in message
    assert "\n" not in message


def test_a_named_provider_may_fall_back_where_that_is_allowed_and_it_is_said_aloud(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _wheel_with(monkeypatch)
    assert chosen("cuda", allow_fallback=True) is CPU
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "FACE_PROVIDERS=cuda is not possible here" in record.getMessage()


@pytest.mark.skipif(providers.has_wheel(CUDA), reason="this wheel has CUDA, and would not fall back")
def test_a_session_that_silently_falls_to_the_cpu_stops_the_start(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The provider is believed to be there, and is not: ONNX Runtime warns Python, and would compute by the CPU."""

    def opened(allow_fallback: bool) -> str:
        recognizer = _opened(3, store, "cuda", allow_fallback=allow_fallback)
        recognizer.close()
        return recognizer.stages()["descriptors"].provider

    monkeypatch.setattr(providers, "has_wheel", lambda _: True)
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


def test_a_limit_of_memory_reaches_cuda_and_none_leaves_it_the_card() -> None:
    assert CUDA.options(1 << 30, False)["gpu_mem_limit"] == "1073741824"
    assert "gpu_mem_limit" not in CUDA.options(None, False)


def test_tf32_is_off_and_only_the_environment_says_so_where_float16_needs_tensor_cores() -> None:
    assert CUDA.options(None, False)["use_tf32"] == "0"
    assert CUDA.options(None, True)["use_tf32"] == "1"
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


def test_a_cpu_computes_in_float32_whatever_is_asked_and_says_so(
    store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _opened(3, store, "cpu", precision=MIXED).close()
    assert [record.getMessage() for record in caplog.records] == [
        f"FACE_PRECISION={MIXED} is for a GPU: cpu computes in float32"
    ]
