"""A device that is planted in the table of providers: the CPU's sessions, whose results a function changes."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.recognition.ort import installed, providers
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.providers import CPU, WEBGPU, Provider

NAME, OFFICIAL = WEBGPU.name, "PlantedExecutionProvider"
Change = Callable[[NDArray[Any]], NDArray[Any]]
"""Changes a result."""


def unchanged(values: NDArray[Any]) -> NDArray[Any]:
    return values


def off(values: NDArray[Any]) -> NDArray[Any]:
    return values + np.float32(1e-2)


def zeros(values: NDArray[Any]) -> NDArray[Any]:
    return np.zeros_like(values)


def not_a_number(values: NDArray[Any]) -> NDArray[Any]:
    return np.full_like(values, np.nan)


def slow(values: NDArray[Any]) -> NDArray[Any]:
    time.sleep(0.2)
    return values


def lost(values: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("WebGPU device lost (1): the driver was reset")


def full(values: NDArray[Any]) -> NDArray[Any]:
    raise RuntimeError("Failed to allocate memory for requested buffer of size 1024")


class _Session:
    """An InferenceSession with changed results."""

    def __init__(self, session: Any, change: Change) -> None:
        self._session = session
        self._change = change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return [OFFICIAL]

    def run(self, *given: Any) -> list[NDArray[Any]]:
        return [self._change(result) for result in self._session.run(*given)]


class Planted:
    """The only device of this machine, which `auto` would take. Counts its sessions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert WEBGPU.device is not None
        self.change: Change = unchanged
        self.facts = DeviceFacts("Radeon Example", "radv 25", Kind.INTEGRATED)
        self.missing: str | None = None
        self.expected = True
        self.sessions = 0
        device = replace(WEBGPU.device, facts=lambda: self.facts, expected=lambda: self.expected)
        self.provider: Provider = replace(
            WEBGPU,
            official=OFFICIAL,
            plugin=None,
            options=CPU.options,
            prepare=CPU.prepare,
            missing=lambda: self.missing,
            device=device,
        )
        providers.facts.cache_clear()
        self._session = providers.session
        monkeypatch.setattr(providers, "PROVIDERS", {CPU.name: CPU, NAME: self.provider})
        monkeypatch.setattr(providers, "AUTO_ORDER", (self.provider,))
        monkeypatch.setattr(installed, "has_wheel", lambda name: True)
        monkeypatch.setattr(providers, "session", self._opened)

    def _opened(self, graph: Any, provider: Provider, *given: Any) -> Any:
        if provider.device is None:
            return self._session(graph, provider, *given)
        session = self._session(graph, replace(provider, official=CPU.official), *given)
        self.sessions += 1
        return _Session(session, lambda values: self.change(values))
