"""Requirements of the settings on this machine."""

import logging
from contextlib import nullcontext

import pytest

from service import machine
from service.recognition.ort import installed
from service.settings import Settings

GPU = "there is a GPU"


@pytest.mark.parametrize(
    ("values", "logged"),
    [({}, [GPU]), ({"FACE_PROVIDERS": "cpu"}, []), ({"FACE_ENGINE": "dlib"}, [])],
)
def test_logs_an_unused_gpu_if_the_service_chooses_the_provider(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    values: dict[str, str],
    logged: list[str],
) -> None:
    monkeypatch.setattr(installed, "unused_gpu", lambda: GPU)
    with caplog.at_level(logging.INFO):
        machine.log_unused_gpu(Settings.model_validate(values))
    assert (machine.unused_gpu(Settings.model_validate(values)) is not None) is bool(logged)
    assert [record.getMessage() for record in caplog.records] == logged


@pytest.mark.parametrize(
    ("values", "lacks"),
    [
        ({"FACE_PROVIDERS": "cuda"}, True),
        ({"FACE_PROVIDERS": "cuda", "FACE_ALLOW_FALLBACK": "true"}, False),
        ({"FACE_PROVIDERS": "cuda", "FACE_ENGINE": "dlib"}, False),
        ({"FACE_PROVIDERS": "auto"}, False),
        ({"FACE_PROVIDERS": "cpu"}, False),
    ],
)
def test_needs_the_wheel_of_a_named_provider(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], lacks: bool
) -> None:
    monkeypatch.setattr(installed, "PROVIDER_FILES", {"cuda": "capi/no_such_library.so"})
    refused = pytest.raises(
        machine.MachineError, match=r"^FACE_PROVIDERS=cuda is not possible here: the installed"
    )
    with refused if lacks else nullcontext():
        machine.require(Settings.model_validate(values))


def test_names_the_command_that_installs_the_packages_of_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.model_validate({"FACE_TRACES": "http://localhost:4318"})
    machine.require(settings)

    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(machine, "find_spec", missing)
    with pytest.raises(
        machine.MachineError, match=r"FACE_TRACES needs .*requirements/environment\.py \.venv otel"
    ):
        machine.require(settings)
    machine.require(Settings())
