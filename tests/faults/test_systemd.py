"""The units of deploy/systemd under systemd itself: sandbox, network, log, restarts and a killed service."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.processes.running import free_port
from tests.calling import Caller
from tests.faults.systemd import Manager, needs_systemd, systemd
from tests.waiting import eventually

pytestmark = [pytest.mark.slow, needs_systemd]

CALLERS, PHOTOS, RESTARTS = 4, 60, 3
UNITS = ("face-model.socket", "face-model.service")
OF_A_MACHINE = {"kmsg", "mem", "nvidiactl"}
"""Device files that without-gpu.conf hides."""


@pytest.mark.parametrize("drop_ins", [(), ("without-gpu.conf",)], ids=["as it is", "without a GPU"])
def test_the_unit_computes_in_its_sandbox_and_restarts_lose_nothing(
    tmp_path: Path, store: Path, portrait: bytes, drop_ins: tuple[str, ...]
) -> None:
    caller = Caller(free_port())
    settings = {"FACE_MODEL": "3", "FACE_STORE": str(store.resolve())}
    with systemd(tmp_path, caller.port, settings, *drop_ins) as manager:
        manager.run("systemctl", "start", *UNITS)
        assert _photo(caller, portrait) == 200
        restrictions = caller.get("/info").json["worker"]["restrictions"]
        assert restrictions["worker"]["seccomp"]
        assert restrictions["decoders"]["seccomp"]
        _is_confined(manager, without_devices=bool(drop_ins))
        with ThreadPoolExecutor(CALLERS) as threads:
            answers = [threads.submit(_photo, caller, portrait) for _ in range(PHOTOS)]
            for number in range(RESTARTS):
                _wait_for(answers, PHOTOS * (number + 1) // (RESTARTS + 2))
                manager.run("systemctl", "restart", "face-model.service")
            assert [answer.result() for answer in answers] == [200] * PHOTOS
        manager.run("kill", "-9", str(manager.main_process()))
        assert _photo(caller, portrait) == 200
        starts = RESTARTS + 2
        eventually("the last start", lambda: len(re.findall(r"\bready: http", manager.journal())) == starts)
        assert "the limit of core files stays" not in manager.journal()
        manager.run("systemctl", "stop", *UNITS)


def _photo(caller: Caller, photo: bytes) -> int:
    """Status of a photo; raises OSError if its connection is refused or cut."""
    return caller.post("/detect", caller.photo(photo)).status


def _wait_for(answers: Sequence[Future[int]], number: int) -> None:
    eventually(f"{number} answers", lambda: sum(answer.done() for answer in answers) >= number)


def _is_confined(manager: Manager, *, without_devices: bool) -> None:
    process = str(manager.main_process())
    networks = manager.run("readlink", "/proc/1/ns/net", f"/proc/{process}/ns/net").split()
    assert len(set(networks)) == 2, "the service has the machine's network"
    for file in ("/opt/face-model/new", "/etc/new"):
        manager.run("nsenter", "-t", process, "--mount", "sh", "-c", f"! touch {file}")
    if without_devices:
        assert not OF_A_MACHINE & set(manager.run("ls", f"/proc/{process}/root/dev").split())
