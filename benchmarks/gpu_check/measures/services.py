"""Services of the check: started with one provider, model and precision, and asked what computes."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.gpu_check.plan import MIXED
from benchmarks.gpu_check.redaction import public
from benchmarks.gpu_check.schema import Kind, Proof, ProviderRecord, Scan, Start
from benchmarks.harness import http_calls
from benchmarks.parity.candidates import Candidate
from benchmarks.processes.running import Service, serving
from benchmarks.throughput.workers import Worker
from service.recognition.ort.device import Kind as DeviceKind
from service.recognition.ort.providers import CPU, facts
from service.settings import OTHER_VARIABLES, PREFIX

DETECTOR = "cnn_detections"
NETWORKS = ("descriptors", DETECTOR)
"""Stages that a network computes; every model has the first, which also has what the service tells of the device."""


class DeviceGivenUp(RuntimeError):
    """A service moved from its device to the CPU while it was measured. One line."""


@dataclass(frozen=True)
class Running:
    """Running service."""

    service: Service
    candidate: Candidate

    def told(self) -> "Told":
        """Present statements of `/info`."""
        return Told.of(self.candidate.info())


@dataclass(frozen=True)
class Told:
    """Statements of `/info` on the provider. Counts are sums over the stages."""

    official: str
    """ONNX Runtime's name of the provider of the networks; the CPU's if it computes one of them."""
    device: str | None
    missing: str | None
    proof: Proof | None
    scan: Scan | None
    """None without the CNN detector."""
    fallbacks: int
    on_cpu: int

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> "Told":
        stages: Mapping[str, Mapping[str, Any]] = info.get("stages") or {}
        network = stages.get(NETWORKS[0], {})
        official = {stages[name]["provider"] for name in NETWORKS if name in stages}
        proof = network.get("device_proof")
        missing = network.get("device_missing")
        return cls(
            official=CPU.official if CPU.official in official else next(iter(official), "unknown"),
            device=network.get("device"),
            missing=public(missing) if missing else None,
            proof=Proof.of(_public(proof)) if proof else None,
            scan=Scan.of(_public(stages[DETECTOR])) if DETECTOR in stages else None,
            fallbacks=sum(stage["fallbacks"] for stage in stages.values()),
            on_cpu=sum(stage["on_cpu"] for stage in stages.values()),
        )


def _kind(told: Told) -> Kind:
    """Hardware that computes, by the driver's own list: names of software adapters are many."""
    device = facts(told.official)
    if told.official == CPU.official or device is None:
        return "cpu"
    kinds: dict[DeviceKind, Kind] = {
        DeviceKind.DISCRETE: "discrete",
        DeviceKind.INTEGRATED: "integrated",
        DeviceKind.VIRTUAL: "virtual",
        DeviceKind.CPU: "cpu",
        DeviceKind.SOFTWARE: "software",
    }
    return kinds[device.kind]


def _public(told: Mapping[str, Any]) -> dict[str, Any]:
    """An object of `/info` with its texts, also those of objects in it, fit for a public report."""
    return {
        name: public(value)
        if isinstance(value, str)
        else _public(value)
        if isinstance(value, Mapping)
        else value
        for name, value in told.items()
    }


@contextmanager
def started(
    record: ProviderRecord, model: int, precision: str, store: Path, **settings: str
) -> Iterator[Running]:
    """Start a service, and note its time to `/ready` and what it tells.

    The environment's own settings are not used, so that results of several machines can be compared. The CPU may take
    the place of a device that cannot be used: `/info` then has the reason.

    Raises:
        ServiceDied: it did not become ready.
        DeviceGivenUp: the CPU took the place of the device after the start, or after an earlier one.
    """
    unset = {name: "" for name in os.environ if name.startswith(PREFIX) and name not in OTHER_VARIABLES}
    chosen = {
        "FACE_PROVIDERS": record.name,
        "FACE_MODEL": str(model),
        "FACE_PRECISION": precision,
        "FACE_STORE": str(store.resolve()),
        "FACE_ALLOW_FALLBACK": "true",
        "FACE_LOG_LEVEL": "warning",
    }
    with serving({**unset, **chosen, **settings}) as (service, client):
        running = Running(service, Candidate(client))
        assert service.ready_after is not None
        record.starts.append(Start(model=model, precision=precision, seconds=round(service.ready_after, 2)))
        told = running.told()
        record.proof = told.proof or record.proof
        record.kind, record.device = _kind(told), told.device
        unused = _unused(record, told)
        if len(record.starts) == 1:
            record.unused = unused
        elif unused is not None:
            raise _given_up(record, unused)
        yield running
        after = running.told()
        record.fallbacks += after.fallbacks
        record.on_cpu += after.on_cpu
        record.scan = after.scan if precision == MIXED else record.scan
        if record.unused is None and (unused := _unused(record, after)):
            raise _given_up(record, unused)


def _given_up(record: ProviderRecord, reason: str) -> DeviceGivenUp:
    record.failure = f"the service has given up the device: {reason}"
    return DeviceGivenUp(record.failure)


def _unused(record: ProviderRecord, told: Told) -> str | None:
    """Reason why the CPU takes the place of a device; None if the provider computes."""
    if record.name == CPU.name or told.official != CPU.official:
        return None
    return told.missing or "the service computes on the CPU"


@contextmanager
def callers_of(running: Running) -> Iterator[Worker]:
    """Process of concurrent callers of a service, so that the check's own work does not slow them."""
    client = running.candidate.client
    opener: Callable[..., Any] = http_calls.service_call
    with closing(Worker("service", opener, str(client.base_url), client.headers["x-api-key"])) as worker:
        worker.result()
        yield worker
