"""Check of each device of this machine (`make gpu-check`), which is skipped without one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu_check import verdicts
from benchmarks.gpu_check.__main__ import JSON, main
from benchmarks.gpu_check.schema import load
from service.recognition.ort.providers import PROVIDERS, missing

DEVICES = [name for name, provider in PROVIDERS.items() if provider.device is not None]


@pytest.mark.slow
@pytest.mark.parametrize("provider", DEVICES)
def test_a_device_gives_the_answers_of_the_cpu_and_of_dlib(
    provider: str, store: Path, tmp_path: Path
) -> None:
    lacking = missing(PROVIDERS[provider])
    if lacking is not None:
        pytest.skip(lacking)
    status = main(["--providers", provider, "--store", str(store), "--out", str(tmp_path)])
    (record,) = (record for record in load(tmp_path / JSON).providers if record.name == provider)
    assert list(verdicts.faults(record)) == []
    assert status == 0
