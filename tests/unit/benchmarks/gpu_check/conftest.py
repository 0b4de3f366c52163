"""Records of a check, made up."""

from collections.abc import Callable

import pytest

from benchmarks.gpu_check.schema import GpuCheck, Memory, Parity, Proof, ProviderRecord, Scan, Speed, Start

MadeParity = Callable[..., Parity]


@pytest.fixture
def equal() -> Parity:
    """Comparison of equal answers."""
    return Parity(
        model=4,
        precision="float32",
        against="cpu",
        photos=20,
        faces=18,
        failed=0,
        faces_differing=0,
        landmarks_differing=0,
        confidence_difference=3e-6,
        descriptor_difference=4e-7,
    )


@pytest.fixture
def card(equal: Parity) -> ProviderRecord:
    """A device that holds."""
    return ProviderRecord(
        name="webgpu",
        kind="discrete",
        device="A Card 7",
        proof=Proof(provider="webgpu", device="A Card 7", driver="radv 25.1", passed=True, time_ratio=0.2),
        scan=Scan(precision="float16 scan", time_ratio=0.62, largest_error=0.011),
        starts=[Start(model=4, precision="float32", seconds=3.0)],
        parity=[equal],
        speed=[
            Speed(
                precision="float32",
                megapixels=1.2,
                callers=8,
                photos=8,
                rates=[20.0, 30.0],
                cpu_rates=[10.0, 10.0],
            )
        ],
        memory=Memory(shapes=50, photos=300, source="drm", device=[100, 200, 210, 220], resident=[300] * 4),
    )


@pytest.fixture
def check(card: ProviderRecord, equal: Parity) -> GpuCheck:
    """Finished check of a CPU and a device."""
    cpu = ProviderRecord(
        name="cpu", kind="cpu", parity=[equal.model_copy(update={"against": "dlib"})], starts=card.starts
    )
    cuda = ProviderRecord(name="cuda", kind="cpu", unused="there is no NVIDIA driver")
    return GpuCheck(
        made="2026-11-30T10:00:00+00:00",
        minutes=8,
        seconds=432.1,
        complete=True,
        facts={
            "machine": {"processor": "A Processor", "cores": 4},
            "versions": {"service": "0.2.0", "onnxruntime": "1.32.0"},
        },
        providers=[cpu, card, cuda],
    )
