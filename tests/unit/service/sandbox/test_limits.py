"""Limits of file growth, and the out-of-memory killer's score."""

import subprocess
import sys
from pathlib import Path

from tests.paths import ROOT
from tests.unit.service.sandbox.conftest import PATIENCE, PRELUDE, RunProgram


def test_no_regular_file_grows(run: RunProgram, tmp_path: Path) -> None:
    run(
        """
import mmap, threading
with open(sys.argv[1], "ab", buffering=0) as file:
    memory, sized = os.memfd_create("memory"), os.memfd_create("sized")
    os.ftruncate(sized, 4096)
    one, other = socket.socketpair()
    assert forbid_file_growth()
    errors = []
    thread = threading.Thread(target=lambda: errors.append(error_of(file.write, b"1")))
    thread.start()
    thread.join()
    errors += [error_of(file.write, b"1"), error_of(os.write, memory, b"1"), error_of(os.ftruncate, memory, 1)]
    assert errors == ["EFBIG"] * 4, errors
mapped = mmap.mmap(sized, 4096)
mapped[:2] = b"12"
assert os.pread(sized, 2, 0) == b"12"
assert one.send(b"1") == 1
""",
        tmp_path / "file",
    )


def test_a_log_in_a_file_can_grow(tmp_path: Path) -> None:
    program = """
assert not forbid_file_growth()
sys.stderr.write("logged")
sys.stderr.flush()
"""
    log = tmp_path / "log"
    with log.open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", PRELUDE + program], stderr=file, cwd=ROOT, timeout=PATIENCE, check=True
        )
    assert log.read_text() == "logged"


def test_the_oom_score_rises_and_is_inherited(run: RunProgram) -> None:
    run(
        """
from service.sandbox.limits import OOM_SCORE
assert raise_oom_score(500)
assert OOM_SCORE.read_text() == "500\\n"
assert raise_oom_score(300)
assert OOM_SCORE.read_text() == "500\\n", "a higher score was lowered"

def child():
    assert OOM_SCORE.read_text() == "500\\n"
    assert raise_oom_score(1000)
    assert OOM_SCORE.read_text() == "1000\\n"

assert in_child(child) == 0
"""
    )


def test_a_read_only_proc_is_tolerated(run: RunProgram, abi: int) -> None:
    done = run(
        """
import logging
logging.basicConfig(level=logging.INFO)
restrict_worker([])
assert not raise_oom_score(900)
"""
    )
    assert "the order in which the kernel ends processes stays as it is: [Errno 13]" in done.stderr
