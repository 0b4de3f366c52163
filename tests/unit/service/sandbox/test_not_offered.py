"""Kernels without some restrictions: the process runs on, and the missing ones are reported."""

from pathlib import Path

import pytest

from service.sandbox import Restrictions
from tests.unit.service.sandbox.conftest import PRELUDE, RunProgram

pytestmark = pytest.mark.not_quick

LOGGED = """
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
from service.sandbox import seccomp
from service.sandbox.seccomp import Refusal
"""


@pytest.mark.parametrize("restrict", ["restrict_worker([])", "restrict_decoder()"])
@pytest.mark.parametrize("error", ["ENOSYS", "EOPNOTSUPP", "EPERM"])
@pytest.mark.usefixtures("filters")
def test_a_kernel_without_landlock(run: RunProgram, error: str, restrict: str) -> None:
    done = run(
        LOGGED
        + f"""
seccomp.restrict([Refusal("landlock_create_ruleset", errno.{error})])
active = {restrict}
assert active == Restrictions(no_new_privileges=True, landlock=0, seccomp=True), active
"""
    )
    assert done.stderr.startswith("INFO Landlock restricts nothing here: ")


@pytest.mark.usefixtures("filters")
def test_a_kernel_without_filters(run: RunProgram, abi: int) -> None:
    expected = Restrictions(no_new_privileges=True, landlock=abi, seccomp=False)
    program = f"""
active = restrict_worker([])
assert tuple(active) == {tuple(expected)}, active
"""
    # In a separate program, where libseccomp probes again: it uses prctl(2) where there is no seccomp(2).
    done = run(
        LOGGED
        + """
PR_SET_NO_NEW_PRIVS = 38
seccomp.restrict([Refusal("seccomp", errno.ENOSYS), Refusal("prctl", errno.EINVAL, PR_SET_NO_NEW_PRIVS)])
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
""",
        PRELUDE + LOGGED + program,
    )
    assert done.stderr == "INFO seccomp restricts nothing here: the kernel takes no filter of system calls\n"


def test_a_system_without_libseccomp(run: RunProgram) -> None:
    done = run(LOGGED + "seccomp.LIBRARY = 'libmissing.so.2'; assert not restrict_worker([]).seccomp")
    assert "INFO seccomp restricts nothing here: libmissing.so.2 cannot be loaded" in done.stderr


@pytest.mark.usefixtures("filters")
def test_an_unexpected_error_is_logged_with_its_traceback(run: RunProgram, abi: int) -> None:
    done = run(
        LOGGED
        + """
seccomp.restrict([Refusal("landlock_restrict_self", errno.E2BIG)])
assert restrict_worker([]).landlock == 0
"""
    )
    assert done.stderr.startswith("ERROR Landlock could not be set")
    assert "Traceback" in done.stderr
    assert "OSError: [Errno 7]" in done.stderr


@pytest.mark.parametrize("restrict", ["restrict_worker([])", "restrict_decoder()"])
@pytest.mark.usefixtures("filters")
def test_a_kernel_that_offers_nothing(run: RunProgram, restrict: str) -> None:
    done = run(
        LOGGED
        + f"""
seccomp.restrict([Refusal("prctl", errno.EINVAL), Refusal("landlock_create_ruleset", errno.ENOSYS)])
active = {restrict}
assert active == Restrictions(), active
assert error_of(open, "/etc/passwd") is None
"""
    )
    assert done.stderr.startswith("ERROR no_new_privs could not be set")
    assert [line.split()[1] for line in done.stderr.splitlines() if line.startswith("INFO")] == [
        "seccomp",
        "Landlock",
    ]


@pytest.mark.parametrize("older", range(1, 8))
def test_an_older_abi_restricts_its_own_rights(run: RunProgram, abi: int, older: int, tmp_path: Path) -> None:
    if older > abi:
        pytest.skip(f"this kernel's Landlock is older (ABI {abi})")
    run(
        """
from service.sandbox import landlock
from service.sandbox.restrictions import forbid_new_privileges
listener = socket.create_server(("127.0.0.1", 0))
memory = os.memfd_create("file")
file = Path(sys.argv[2])
kept = file.with_name("kept")
kept.write_bytes(b"1")
abi = int(sys.argv[1])
forbid_new_privileges()
landlock.restrict(abi, landlock.CHANGES, [])
assert error_of(file.touch) == "EACCES"
connects = error_of(socket.create_connection, listener.getsockname())
assert connects == ("EACCES" if abi >= landlock.TCP_ABI else None)
assert error_of(os.kill, os.getppid(), 0) == ("EPERM" if abi >= landlock.SCOPES_ABI else None)
assert error_of(os.truncate, kept, 0) == ("EACCES" if abi >= landlock.TRUNCATE_ABI else None)
assert os.write(memory, b"1") == 1
""",
        str(older),
        tmp_path / "file",
    )


def test_summary() -> None:
    assert Restrictions().summary() == (
        "no new privileges: no, Landlock: no, seccomp: no, file growth forbidden: no"
    )
    assert Restrictions(True, 4, True, True).summary() == (
        "no new privileges: yes, Landlock: ABI 4 (files, truncation, TCP), seccomp: yes, file growth forbidden: yes"
    )
    assert "ABI 2 (files)," in Restrictions(landlock=2).summary()
