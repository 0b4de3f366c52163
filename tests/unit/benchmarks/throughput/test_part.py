"""Steps of a plan on a few photos: figures of each scenario, and figures kept on failure or interruption."""

import multiprocessing
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from benchmarks.harness.results import Key, Result
from benchmarks.processes.running import ROOT
from benchmarks.throughput import part, scenarios
from benchmarks.throughput.scenarios import AGAINST_DLIB, AGAINST_UPSTREAM, LoadPlan, Scenario
from benchmarks.throughput.sides import Remote, SideOptions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def _result() -> Result:
    return Result(made="2026-01-01T00:00:00+00:00", plan="quick")


def _run(plan: LoadPlan, paths: list[Path], setting: SideOptions) -> Result:
    result = _result()
    with ExitStack() as stack:
        for step in part.steps(plan, paths, setting, result, stack):
            step.run()
    return result


def _names(result: Result) -> set[str]:
    return {figure.key.name for figure in result.figures}


@pytest.fixture
def paths(photos: dict[str, Path]) -> list[Path]:
    return [photos["coffee.png"], photos["astronaut.png"]]


@pytest.mark.slow
def test_records_all_figures_of_each_scenario(paths: list[Path], store: Path) -> None:
    plan = LoadPlan(
        trial_seconds=0.0,
        scenarios=(
            Scenario("throughput", AGAINST_DLIB, 0.3, rounds=1),
            Scenario("area", ("library",), 0.05, rounds=2),
            Scenario("faces", ("library",), 1.2, faces=4, rounds=1),
            Scenario("throughput", AGAINST_UPSTREAM, 0.05, callers=2, photos=2, rounds=1),
            Scenario("callers", ("service",), 0.05, callers=4, calls=20, rounds=1),
        ),
    )
    result = _run(plan, paths, SideOptions(store))
    alone, together = "throughput/model 4/0.3 MP/1 callers", "throughput/model 4/0.05 MP/2 callers"
    load = ("photos per second", "CPU seconds per photo", "peak memory")
    growth = ("seconds", "CPU seconds per photo", "peak memory")
    both = ("times as fast", "times less memory")
    shared = ("decode", "cnn_detections", "landmarks", "chips and descriptors")
    ours, dlibs = (*shared, "hog_confirms", "chips", "descriptors"), (*shared, "hog_detections")
    assert _names(result) == {
        *(f"{alone}/{side}/{metric}" for side in AGAINST_DLIB for metric in load),
        *(f"{alone}/library against dlib/{metric}" for metric in both),
        *(f"stages/model 4/0.3 MP/{stage}/library/seconds" for stage in ours),
        *(f"stages/model 4/0.3 MP/{stage}/dlib/seconds" for stage in dlibs),
        *(f"stages/model 4/0.3 MP/{stage}/library against dlib/times as fast" for stage in shared),
        *(f"area/model 4/0.05 MP/library/{metric}" for metric in growth),
        *(f"faces/model 4/1.2 MP/4 faces/library/{metric}" for metric in growth),
        "throughput/model 4/service/ready after",
        *(f"{together}/{side}/{metric}" for side in AGAINST_UPSTREAM for metric in (*load, "median latency")),
        f"{together}/service/failed",
        *(f"{together}/service against upstream/{metric}" for metric in both),
        *(f"callers/model 4/0.05 MP/4 callers/service/{metric}" for metric in (*load, "failed")),
        *(f"callers/model 4/0.05 MP/4 callers/service/{part} latency" for part in ("median", "95 %")),
    }
    rounds = {figure.key.section: len(figure.values) for figure in result.figures}
    assert rounds == {"throughput": 1, "stages": 1, "area": 2, "faces": 1, "callers": 1}


@pytest.mark.parametrize(
    "right",
    [pytest.param(True, id="right key"), pytest.param(False, id="wrong key", marks=pytest.mark.slow)],
)
def test_measures_a_remote_service_and_its_failures(
    right: bool, service: httpx.Client, paths: list[Path], store: Path
) -> None:
    remote = Remote(str(service.base_url), service.headers["x-api-key"] if right else "wrong", 3)
    upstream = LoadPlan((Scenario("throughput", AGAINST_UPSTREAM, 0.05, callers=2, photos=2, rounds=1),), 0.0)
    plan = scenarios.against_remote(upstream, remote.model)
    result = _run(LoadPlan(plan.scenarios[1:], 0.0), paths, SideOptions(store, remote))
    about = Key(section="throughput", metric="failed", model=3, megapixels=0.05, callers=2, side="remote")
    (failed,) = (figure for figure in result.figures if figure.key == about)
    assert failed.values == [0.0 if right else 2.0]
    compared = list(result.find(side="service against remote"))
    assert [figure.key.metric for figure in compared] == (["times as fast"] if right else [])
    assert not list(result.find(side="remote", metric="peak memory"))


def test_a_faces_scenario_needs_a_photo_with_a_face(photos: dict[str, Path], store: Path) -> None:
    plan = LoadPlan((Scenario("faces", ("library",), 0.3, model=3, faces=4, rounds=1),), 0.0)
    assert _run(plan, [photos["coffee.png"]], SideOptions(store)).figures == []


def test_rounds_without_their_warm_up_measure_nothing(paths: list[Path], store: Path) -> None:
    """A time limit may leave out the warm-up of a scenario, and with it the scenario."""
    plan = LoadPlan(
        tuple(Scenario("area", ("library",), size, model=3, rounds=1) for size in (0.05, 0.06)), 0.0
    )
    result = _result()
    with ExitStack() as stack:
        first_warm_up, first, _, second = part.steps(plan, paths, SideOptions(store), result, stack)
        for step in (first_warm_up, first, second):
            step.run()
    assert {figure.key.megapixels for figure in result.find(section="area")} == {0.05}


@pytest.mark.slow
def test_a_side_that_dies_ends_only_its_scenario(paths: list[Path], store: Path) -> None:
    plan = LoadPlan(
        tuple(Scenario("throughput", AGAINST_DLIB, size, model=3, rounds=2) for size in (0.05, 0.06)),
        trial_seconds=0.0,
    )
    result = _result()
    with ExitStack() as stack:
        for number, step in enumerate(part.steps(plan, paths, SideOptions(store), result, stack)):
            step.run()
            if number == 0:
                for worker in multiprocessing.active_children():
                    worker.kill()
    (failed,) = result.find(metric="failed")
    assert failed.key.name == "throughput/model 3/0.05 MP/1 callers/library/failed"
    assert failed.values == [1.0]
    (reason,) = result.facts["throughput"].values()
    assert reason == "library died (-9): out of memory?"
    assert {figure.key.megapixels for figure in result.find(metric="photos per second")} == {0.06}


_INTERRUPTED = """
import sys
from contextlib import ExitStack
from pathlib import Path
from benchmarks.harness.results import Result
from benchmarks.throughput import part
from benchmarks.throughput.scenarios import Scenario, LoadPlan
from benchmarks.throughput.sides import SideOptions
result = Result(made="now", plan="quick")
plan = LoadPlan((Scenario("throughput", ("library", "dlib"), 0.05, model=3, rounds=100_000),), 0.0)
try:
    with ExitStack() as stack:
        for step in part.steps(plan, [Path(sys.argv[2])], SideOptions(Path(sys.argv[1])), result, stack):
            step.run()
            print(len(result.figures), flush=True)
except KeyboardInterrupt:
    print("kept", min(len(figure.values) for figure in result.figures))
"""


@pytest.mark.slow
def test_ctrl_c_keeps_finished_rounds_and_prints_nothing(store: Path, photos: dict[str, Path]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(store.resolve()), str(photos["astronaut.png"])],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "0\n", "warm-up records no figure"
    assert int(process.stdout.readline()) > 0
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them
    try:
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()  # its workers end with it
    assert int(output.splitlines()[-1].removeprefix("kept ")) >= 1
    assert errors == ""
