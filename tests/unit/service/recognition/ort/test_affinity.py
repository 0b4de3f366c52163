"""Thread affinities within the usable cores, in a form that ONNX Runtime accepts."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from service.recognition.compute import core_count
from service.recognition.ort.affinity import worker_cores
from service.recognition.ort.sessions import Session


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {7, 2, 4}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda process, cores: None, raising=False)
    monkeypatch.setattr(core_count, "SYSTEM", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("usable")
@pytest.mark.parametrize(
    ("threads", "cores"), [(0, ""), (1, ""), (2, ""), (3, "5;8"), (4, "")], ids=lambda value: str(value)
)
def test_each_worker_thread_gets_one_core(threads: int, cores: str) -> None:
    assert worker_cores(threads) == cores


@pytest.mark.usefixtures("usable")
@pytest.mark.parametrize("denied", ["sched_setaffinity", "sched_getaffinity"])
def test_sets_no_affinity_if_a_sandbox_denies_it(monkeypatch: pytest.MonkeyPatch, denied: str) -> None:
    def deny(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, denied, deny)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert worker_cores(3) == ""


def test_two_processors_of_one_core_count_once(usable: Path) -> None:
    for processor, siblings in {2: "2-3", 4: "4,7", 7: "4,7"}.items():
        folder = usable / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert worker_cores(2) == "5"
    assert worker_cores(3) == ""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="a system without affinities")
def test_onnx_runtime_accepts_the_affinities(tmp_path_factory: pytest.TempPathFactory) -> None:
    before = os.sched_getaffinity(0)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("given", "made")]
    graph = helper.make_graph([helper.make_node("Relu", ["given"], ["made"])], "relu", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = tmp_path_factory.mktemp("graph") / "relu.onnx"
    file.write_bytes(model.SerializeToString())
    session = Session(file, len(before))
    assert session.run(np.array([-1, 2], np.float32)).tolist() == [0, 2]
    assert os.sched_getaffinity(0) == before
