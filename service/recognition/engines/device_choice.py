"""Choice of the device: the first candidate that is complete, right and clearly faster than the CPU; else the CPU."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import NamedTuple

from service.recognition.contract import DeviceProof, EngineError
from service.recognition.engines.device_proof import prove, slower
from service.recognition.engines.device_verdicts import Subject
from service.recognition.engines.onnx import OnnxEngine
from service.recognition.ort import installed, providers
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.providers import AUTO, CPU, Provider, ProviderMissing

log = logging.getLogger(__name__)

Build = Callable[[Provider, int | None], OnnxEngine]
"""Builds the engine on a provider, with the bytes of its device. Raises EngineError."""

Tried = Callable[[str, str | None], None]
"""Called with the names of a provider and of its device, None until the driver has named it, before a step that may end
or block the process; with the CPU's once no device is in use."""


def unreported(provider: str, device: str | None) -> None:
    """A Tried that does nothing."""


class _Refused(Exception):
    """A device is not used."""

    def __init__(self, reason: str, level: int, *, is_fault: bool = True, proof: DeviceProof | None = None):
        super().__init__(reason)
        self.level = level
        """Of the log's line, for `auto`."""
        self.is_fault = is_fault
        """False if nothing is wrong: the CPU is as fast, or this machine has no such device."""
        self.proof = proof


class _Request(NamedTuple):
    """Arguments of `choose`, for all candidates."""

    build: Build
    subject_of: Callable[[Provider, DeviceFacts], Subject]
    device_memory: int | None
    is_auto: bool
    allow_fallback: bool
    tried: Tried


def choose(
    build: Build,
    subject_of: Callable[[Provider, DeviceFacts], Subject],
    name: str,
    *,
    device_memory: int | None,
    allow_fallback: bool,
    quarantine: str | None,
    tried: Tried,
) -> OnnxEngine:
    """The engine on the first device of a value of FACE_PROVIDERS that can be used, else on the CPU.

    A named provider is also used if it saves no time, with a warning.

    Args:
        build: builds the engine on a provider.
        subject_of: names the kept proof of a device.
        name: `auto` or a key of `providers.PROVIDERS`.
        device_memory: bytes of the device for both networks together; None: no limit.
        allow_fallback: allow the CPU, with an error in the log, in place of a named provider.
        quarantine: reason for which no device is tried; None without one.
        tried: told of each device before it is opened.

    Raises:
        ProviderMissing: the named provider cannot be used, and the CPU is not allowed.
        EngineError: the engine cannot be built on the CPU.
    """
    on_cpu = cache(lambda: build(CPU, None))
    request = _Request(build, subject_of, device_memory, name == AUTO, allow_fallback, tried)
    missing, proof = quarantine, None
    for provider in () if quarantine else providers.candidates(name):
        try:
            engine = _on_device(provider, request, on_cpu)
        except _Refused as refused:
            _report(provider, refused, request)
            proof = proof or refused.proof
            missing = missing or (str(refused) if refused.is_fault else None)
            continue
        if on_cpu.cache_info().currsize:
            on_cpu().close()
        return engine
    tried(CPU.name, None)
    engine = on_cpu()
    engine.device_missing, engine.device_proof = missing, proof
    return engine


def _on_device(provider: Provider, request: _Request, on_cpu: Callable[[], OnnxEngine]) -> OnnxEngine:
    """The engine on a proven device. Raises _Refused, and EngineError of the CPU's engine."""
    device = provider.device
    assert device is not None
    if installed.has_wheel(provider.name):
        request.tried(provider.name, None)
    if missing_part := providers.missing(provider):
        expected = device.expected() or not request.is_auto
        raise _Refused(missing_part, logging.WARNING if expected else logging.DEBUG, is_fault=expected)
    facts = device.facts()
    if facts is None:
        raise _Refused("it names no device", logging.WARNING)
    if request.is_auto and not facts.kind.is_gpu:
        raise _Refused(f"{facts.name} is no GPU", logging.DEBUG, is_fault=False)
    subject = request.subject_of(provider, facts)
    kept = subject.kept()
    if kept and (request.is_auto or (request.allow_fallback and not kept.passed)):
        _judge(kept, facts.kind, request)  # without a session on a device that is not used
    cpu = on_cpu()
    request.tried(provider.name, facts.name)
    try:
        engine = request.build(provider, request.device_memory)
        proof = prove(engine, cpu, subject, kept)
    except EngineError as error:
        raise _Refused(str(error), logging.ERROR) from error
    lost = kept is not None and kept.passed and not proof.passed
    if not proof.kept and not lost:  # a device that was right before is tried again at the next start
        subject.keep(proof)
    try:
        _judge(proof, facts.kind, request)
    except _Refused:
        engine.close()
        raise
    engine.device_proof = proof
    return engine


def _judge(proof: DeviceProof, kind: Kind, request: _Request) -> None:
    """Raise _Refused if a device is wrong, or if `auto` would save no time with it."""
    driver = f" ({proof.driver})" if proof.driver else ""
    before = ", found at an earlier start" if proof.kept else ""
    if not proof.passed:
        reason = f"{proof.device}{driver} failed its comparison with the CPU{before}: {proof.reason}"
        raise _Refused(reason, logging.ERROR, proof=proof)
    if too_slow := slower(proof, kind):
        line = f"{proof.device}{driver}: {too_slow}{before}"
        if request.is_auto:
            raise _Refused(line, logging.INFO, is_fault=False, proof=replace(proof, reason=too_slow))
        log.warning("%s. It is used, as FACE_PROVIDERS names %s.", line, proof.provider)


def _report(provider: Provider, refused: _Refused, request: _Request) -> None:
    """Log why a device is not used. Raises ProviderMissing for a named one, unless the CPU is allowed."""
    if request.is_auto:
        log.log(refused.level, "the CPU computes, not %s: %s", provider.name, refused)
        return
    refusal = installed.refusal(provider.name, str(refused))
    if not request.allow_fallback:
        raise ProviderMissing(f"{refusal}. {installed.CPU_REMEDY}") from refused
    log.error("%s. The CPU computes instead, as FACE_ALLOW_FALLBACK allows.", refusal)
