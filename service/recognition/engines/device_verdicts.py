"""Proofs of devices, kept for later starts: the time of one that is right, and the fault of one that is not."""

import hashlib
import time
from dataclasses import replace
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from model_store import manifest
from model_store.manifest import GraphError
from model_store.models import GRAPHS, Model, weights_of
from model_store.store import WeightStore
from service.cpu_flags import processor_identity
from service.recognition.compute import code_folders, kept_files, machine_code
from service.recognition.compute.core_count import computing_cores
from service.recognition.contract import DeviceProof
from service.recognition.ort import plugins
from service.recognition.ort.device import DeviceFacts, Kind
from service.recognition.ort.providers import Provider
from service.recognition.ort.runtime import onnxruntime

FAILURE_IS_VALID = 24 * 3600
"""Seconds for which a device that failed is not tried again, with the same driver and sources. Then it is, since a
reset of the driver may have been the cause."""


class Verdict(BaseModel):
    """Content of a file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    proof: DeviceProof
    at: FiniteFloat
    """Seconds since 1970."""


class Subject(NamedTuple):
    """A device, with all that its verdict follows from."""

    provider: str
    device: str
    driver: str | None
    kind: Kind
    file: str
    """Name of the verdict's file, a hash of it all."""

    @classmethod
    def of(
        cls,
        model: Model,
        weights: WeightStore,
        settings: tuple[object, ...],
        provider: Provider,
        facts: DeviceFacts,
    ) -> Self:
        """A device for a model. `settings` are those that change the networks or their time."""
        plugin = plugins.version(provider.plugin, provider.official) if provider.plugin else None
        tried = (
            (provider.name, plugin, onnxruntime.__version__, facts),
            (processor_identity(), computing_cores()),
            (machine_code.sources(), _graphs(model, weights)),
            settings,
        )
        digest = hashlib.sha256(repr(tried).encode()).hexdigest()[:16]
        return cls(provider.name, facts.name, facts.driver, facts.kind, f"device-proof-{digest}.json")

    def kept(self) -> DeviceProof | None:
        """The proof of an earlier start; None without a valid one."""
        for folder in code_folders.folders():
            content = kept_files.read_trusted(folder / self.file)
            if content is None:
                continue
            try:
                verdict = Verdict.model_validate_json(content)
            except ValidationError:
                continue
            if verdict.proof.passed or 0 <= time.time() - verdict.at < FAILURE_IS_VALID:
                return replace(verdict.proof, kept=True)
        return None

    def keep(self, proof: DeviceProof) -> None:
        """Write the proof for later starts, if a folder can be written."""
        verdict = Verdict(proof=proof, at=time.time())
        kept_files.write_to_first(self.file, verdict.model_dump_json().encode())


def _graphs(model: Model, weights: WeightStore) -> tuple[str, ...]:
    """Hashes of the model's converted graphs, those of the scans included."""
    hashes = []
    for name in GRAPHS:
        if weights_of(name) in model.weights:
            try:
                hashes.append(manifest.load(weights.root, name).graph_sha256)
            except GraphError:
                hashes.append("")
    return tuple(hashes)
