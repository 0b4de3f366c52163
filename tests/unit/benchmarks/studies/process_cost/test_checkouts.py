"""Service of another checkout, measured once."""

import copy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.studies.process_cost import measures
from benchmarks.studies.process_cost.checkouts import Checkout, RunningCheckout
from benchmarks.studies.process_cost.workloads import Uploads, Workload
from service.versions import versions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

WORKLOAD = Workload(0.3, 1, 3)


@pytest.fixture(scope="module")
def running(checkout: Checkout, store: Path) -> Iterator[RunningCheckout]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACE_STORE", str(store.resolve()))
        with checkout.serving(3) as running:
            yield running


@pytest.fixture(scope="module")
def uploads(photos: dict[str, Path]) -> Uploads:
    return Uploads([photos["obama2.jpg"]])


def test_versions_are_those_of_the_checkouts_environment(checkout: Checkout) -> None:
    assert checkout.versions() == {"commit": "unknown", **versions()}


def test_a_service_runs_in_its_checkout(running: RunningCheckout, checkout: Checkout) -> None:
    assert Path(f"/proc/{running.service.process.pid}/cwd").readlink() == checkout.folder
    assert running.side.ready_after is not None
    assert 0.2 < running.side.ready_after < 60


def test_a_trial_yields_figures_and_answers(running: RunningCheckout, uploads: Uploads) -> None:
    found = measures.trial(running, WORKLOAD, uploads)
    assert found.keys() == {
        f"0.3 MP, 1 caller: {figure}"
        for figure in ("latency, ms", "photos per second", "CPU seconds per photo")
    }
    assert min(found.values()) > 0
    photo, body = running.answers[-1]
    assert photo == uploads.of(WORKLOAD)[0]
    assert b'"faces-count":1' in body.replace(b" ", b"")


@pytest.mark.slow
def test_times_small_requests_under_load(running: RunningCheckout, uploads: Uploads) -> None:
    found = measures.probed(running, uploads)
    assert [name.partition(" ")[0] for name in found] == ["/health", "/open"]
    assert min(found.values()) > 0


@pytest.mark.slow
def test_memory_of_a_fresh_service(running: RunningCheckout, uploads: Uploads) -> None:
    small = copy.copy(uploads)
    small.mixed = uploads.of(WORKLOAD)
    start, idle, after, peak = measures.fresh(running, small).values()
    assert start == running.side.ready_after
    assert 100 < idle < 1000
    assert 0.9 * idle < after < 1000
    assert 0.9 * after < peak < 1000


def test_a_photo_that_fails_ends_the_measurement(running: RunningCheckout, uploads: Uploads) -> None:
    broken = copy.copy(uploads)
    broken.mixed = [b"no photo"]
    with pytest.raises(measures.PhotoFailed, match="now: 1 photos failed: status 415"):
        measures.fresh(running, broken)
