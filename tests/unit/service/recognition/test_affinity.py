"""Worker threads get cores that this process may use, and ONNX Runtime takes the answer."""

import os

import numpy as np
import pytest
from onnx import TensorProto, helper

from service.recognition.affinity import worker_cores
from service.recognition.sessions import Session


@pytest.fixture
def usable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {7, 2, 4}, raising=False)


@pytest.mark.usefixtures("usable")
@pytest.mark.parametrize(
    ("threads", "cores"), [(0, ""), (1, ""), (2, ""), (3, "5;8"), (4, "")], ids=lambda value: str(value)
)
def test_every_worker_has_a_core_of_its_own(threads: int, cores: str) -> None:
    assert worker_cores(threads) == cores


def test_a_system_without_affinities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert worker_cores(2) == ""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="a system without affinities")
def test_a_session_with_as_many_threads_as_cores(tmp_path_factory: pytest.TempPathFactory) -> None:
    before = os.sched_getaffinity(0)
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in ("given", "made")]
    graph = helper.make_graph([helper.make_node("Relu", ["given"], ["made"])], "relu", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    file = tmp_path_factory.mktemp("graph") / "relu.onnx"
    file.write_bytes(model.SerializeToString())
    session = Session(file, len(before))
    assert session.run(np.array([-1, 2], np.float32)).tolist() == [0, 2]
    assert os.sched_getaffinity(0) == before
