import os
import re
from pathlib import Path

import pytest

from service.memory import capacity
from service.memory.capacity import Capacity
from service.recognition.compute import cgroups
from service.recognition.memory import SCRATCH_KEPT
from service.recognition.ort import installed, render_nodes
from service.settings import Settings

GIBIBYTE = 1024**3


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 GiB; the test writes its control groups."""
    (tmp_path / "cgroup").write_text("")
    monkeypatch.setattr(capacity, "memory_of_machine", lambda: 8 * GIBIBYTE)
    monkeypatch.setattr(cgroups, "MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "fs")
    return tmp_path


def _limit(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")


def test_takes_half_of_a_machine_without_limits(system: Path) -> None:
    (system / "cgroup").write_text("9:memory:/\n0::/\n")
    _limit(system / "fs/memory/memory.limit_in_bytes", "9223372036854771712")
    _limit(system / "fs/memory.max", "max")
    assert capacity.memory(Settings()) == 4 * GIBIBYTE


@pytest.mark.parametrize(
    ("membership", "file"),
    [
        ("0::/", "memory.max"),  # a container with a namespace of its own
        ("0::/system.slice/face-model.service", "system.slice/face-model.service/memory.max"),  # MemoryMax=
        ("0::/system.slice/face-model.service", "system.slice/memory.max"),  # a limit further up
        ("0::/docker/abc", "memory.max"),  # the host's path, the container's own group mounted as the root
        ("4:memory:/docker/abc", "memory/docker/abc/memory.limit_in_bytes"),
        ("4:cpu,memory:/", "memory/memory.limit_in_bytes"),
    ],
)
def test_takes_most_of_a_containers_limit(system: Path, membership: str, file: str) -> None:
    (system / "cgroup").write_text(f"1:cpu:/elsewhere\n{membership}\n")
    _limit(system / "fs" / file, str(2 * GIBIBYTE))
    assert capacity.memory(Settings()) == int(1.6 * GIBIBYTE)


def test_divides_the_budget_of_the_setting() -> None:
    settings = Settings.model_validate({"FACE_MEMORY": "2GiB", "GUNICORN_WORKERS": 5})
    divided = Capacity.of(settings, cores=2)
    assert divided.photos == 5
    itself = capacity.RESIDENT + SCRATCH_KEPT + 2 * capacity.KEPT_BY_PHOTO
    assert itself + divided.upload_bytes + divided.photo_bytes == 2 * GIBIBYTE
    assert divided.upload_bytes == (2 * GIBIBYTE - itself) // 4


@pytest.mark.parametrize(("cores", "workers", "photos"), [(2, 0, 3), (16, 0, 5), (64, 2, 2), (64, 64, 5)])
def test_bounds_concurrent_photos_if_memory_is_small(cores: int, workers: int, photos: int) -> None:
    settings = Settings.model_validate({"FACE_MEMORY": "1GiB", "GUNICORN_WORKERS": workers})
    capacity_of = Capacity.of(settings, cores)
    assert capacity_of.photos == photos
    assert capacity_of.photo_bytes > 192 * 1024**2
    by_dlib = Capacity.of(settings.model_copy(update={"engine": "dlib"}), cores)
    assert by_dlib.photo_bytes > capacity_of.photo_bytes


@pytest.mark.parametrize(("engine", "photos"), [("onnx", 5), ("dlib", 1)])
def test_default_number_of_photos_by_engine(engine: str, photos: int) -> None:
    assert (
        Capacity.of(Settings.model_validate({"FACE_ENGINE": engine, "FACE_MEMORY": "4GiB"}), cores=4).photos
        == photos
    )


def test_hard_limit_is_the_whole_limit_of_the_kernel(system: Path) -> None:
    assert capacity.hard_limit() == 8 * GIBIBYTE
    (system / "cgroup").write_text("0::/\n")
    _limit(system / "fs/memory.max", str(2 * GIBIBYTE))
    assert capacity.hard_limit() == 2 * GIBIBYTE


def test_reads_the_memory_of_this_machine() -> None:
    assert 2**28 < capacity.memory_of_machine() < 2**50
    (total,) = re.findall(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    assert capacity.memory_of_machine() == pytest.approx(1024 * int(total), rel=0.05)
    assert cgroups.memory_limit() > 2**26


@pytest.mark.parametrize("answer", [-1, OSError(38, "Function not implemented")])
def test_assumes_a_memory_if_the_system_hides_it(
    monkeypatch: pytest.MonkeyPatch, answer: int | OSError
) -> None:
    def sysconf(name: str) -> int:
        if name == "SC_PAGE_SIZE":
            return 4096
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(os, "sysconf", sysconf)
    assert capacity.memory_of_machine() == capacity.MACHINE_UNKNOWN


@pytest.mark.parametrize(
    ("values", "plugins", "gpu", "wheel", "counts"),
    [
        ({}, ["webgpu"], True, False, True),
        ({}, ["openvino"], True, False, True),
        ({}, [], True, False, False),
        ({}, ["webgpu"], False, False, False),
        ({}, ["webgpu"], True, True, False),  # an NVIDIA GPU, with its own memory
        ({"engine": "dlib"}, ["webgpu"], True, False, False),
        ({"providers": "cpu"}, ["webgpu"], True, False, False),
        ({"providers": "webgpu"}, ["webgpu"], False, False, True),  # a software adapter
    ],
)
def test_counts_a_device_without_memory_of_its_own(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, str],
    plugins: list[str],
    gpu: bool,
    wheel: bool,
    counts: bool,
) -> None:
    if gpu:
        (tmp_path / "renderD128").touch()
    monkeypatch.setattr(render_nodes, "KERNEL_NODES", tmp_path)
    wheels = [*plugins, *(["cuda"] if wheel else [])]
    monkeypatch.setattr(installed, "has_wheel", wheels.__contains__)
    monkeypatch.setattr(installed, "has_driver", lambda: wheel)
    settings = Settings.model_validate({"FACE_MEMORY": "4GiB"}).model_copy(update=values)
    budgets = [Capacity.of(settings, cores=2)]
    monkeypatch.setattr(capacity, "SHARED_BY_DEVICE", 0)
    budgets.append(Capacity.of(settings, cores=2))
    shared, alone = (of.photo_bytes + of.upload_bytes for of in budgets)
    assert alone - shared == (512 * 1024**2 if counts else 0)
