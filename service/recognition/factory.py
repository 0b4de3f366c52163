"""Opening a recogniser: weights, engine and device."""

from collections.abc import Collection
from functools import partial
from pathlib import Path

from model_store.errors import StoreError
from model_store.manifest import GraphError
from model_store.models import CNN_DETECTOR, Model
from model_store.store import WeightStore
from service.recognition.contract import EngineError
from service.recognition.engines.device_choice import Tried, choose, unreported
from service.recognition.engines.device_verdicts import Subject
from service.recognition.engines.dlib import DlibEngine, installed
from service.recognition.engines.onnx_builder import build_onnx_engine
from service.recognition.engines.precisions import AUTO as AUTO_PRECISION
from service.recognition.engines.precisions import PRECISIONS
from service.recognition.ort import providers
from service.recognition.ort.providers import AUTO
from service.recognition.recognizer import Recognizer

ENGINES = ("onnx", "dlib")


class RecognizerError(RuntimeError):
    """A recogniser cannot be opened. One line: the fault, and what to do."""


def open_recognizer(
    model: Model,
    store: Path,
    *,
    engine: str = "onnx",
    workers: int = 1,
    threads: int = 0,
    provider: str = AUTO,
    allow_fallback: bool = False,
    device_memory: int | None = None,
    precision: str = AUTO_PRECISION,
    scan_check: int = 1000,
    device_quarantine: str | None = None,
    device_tried: Tried = unreported,
) -> Recognizer:
    """Open a recogniser. Its `warm_up` loads what the first photo would otherwise load.

    Args:
        model: one of `models.MODELS`.
        store: the root of the model store, with weights and, for `onnx`, their converted graphs.
        engine: one of `ENGINES`.
        workers: number of photos that are recognised concurrently; ONNX Runtime has no limit, dlib a process for each.
        threads: cores of each photo; 0: all cores for a single photo, a share of them for each of several.
        provider: ONNX Runtime's provider, `auto` or a key of `providers.PROVIDERS`.
        allow_fallback: allow CPU fallback if that provider cannot be used; `auto` always allows it.
        device_memory: bytes of a device for both networks together; None: no limit.
        precision: a key of `PRECISIONS`. Each gives the answers of float32.
        scan_check: number of scanned photos of which one is also computed in float32 as a whole; 0: none.
        device_quarantine: reason of an earlier fault for which no device is tried; None: devices are tried.
        device_tried: told of each device before it is opened.

    Raises:
        ValueError: there is no such engine, provider or precision, or a number is too small.
        RecognizerError: weights or graphs are missing or damaged, or the provider cannot run them.
    """
    _check_choice("engine", engine, ENGINES)
    _check_choice("provider", provider, (AUTO, *providers.PROVIDERS))
    _check_choice("precision", precision, PRECISIONS)
    if workers < 1 or threads < 0:
        raise ValueError(f"workers has to be at least 1, and threads at least 0, not {workers} and {threads}")
    try:
        weights = WeightStore(store)
        dlib = DlibEngine(
            detector=weights.path(CNN_DETECTOR) if model.detector == "cnn" else None,
            landmarks=weights.path(model.landmarks),
            network=weights.path(model.network),
            processes=workers,
        )
        if engine == "dlib":
            dlib.check()
            return Recognizer(model, dlib)
        onnx = choose(
            partial(build_onnx_engine, model, weights, threads, precision, scan_check),
            partial(Subject.of, model, weights, (threads, precision, device_memory)),
            provider,
            device_memory=device_memory,
            allow_fallback=allow_fallback,
            quarantine=device_quarantine,
            tried=device_tried,
        )
        return Recognizer(model, onnx, dlib if installed() else None)
    except (StoreError, GraphError, EngineError, OSError) as error:
        raise RecognizerError(str(error)) from error


def _check_choice(name: str, chosen: str, choices: Collection[str]) -> None:
    if chosen not in choices:
        raise ValueError(f"no {name} is called {chosen!r}; there are {', '.join(choices)}")
