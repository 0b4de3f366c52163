"""The systemd units of deploy/systemd."""

import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from service.sandbox.limits import NO_CORE
from service.settings import Settings
from service.supervision.supervisor import FIRST_PAUSE, MAXIMUM_FAILED_STARTS
from service.web.server.shutdown import MARGIN_SECONDS
from tests.paths import ROOT

UNITS = ROOT / "deploy" / "systemd"
INSTALLED = "/opt/face-model/.venv/bin/python"
SECONDS_TO_DIE = 3
"""Of a worker process that dies after it has loaded all libraries; it is ready after one to three seconds."""


def read(name: str) -> ConfigParser:
    unit = ConfigParser(interpolation=None, strict=False)
    unit.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their capitals
    unit.read_string((UNITS / name).read_text(encoding="utf-8"))
    return unit


SERVICE = read("face-model.service")["Service"]
SOCKET = read("face-model.socket")["Socket"]


needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze(1) here"
)


@needs_systemd
@pytest.mark.parametrize(
    ("drop_in", "bound"), [(None, 1.4), ("graphics-card.conf", 1.1), ("without-gpu.conf", 0.9)]
)
def test_the_exposure_is_low(tmp_path: Path, drop_in: str | None, bound: float) -> None:
    """Overall exposure of `systemd-analyze security`, from 0 to 10; the same unit without its sandbox has 9.2."""
    text = (UNITS / "face-model.service").read_text(encoding="utf-8").replace(INSTALLED, sys.executable)
    if drop_in:
        text += (UNITS / drop_in).read_text(encoding="utf-8")
    for name, content in (
        ("face-model.service", text),
        ("face-model.socket", "[Socket]\nListenStream=5000\n"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", tmp_path / "face-model.service"],
        capture_output=True,
        text=True,
        check=True,
    )
    (exposure,) = re.findall(r"Overall exposure level for face-model.service: ([\d.]+)", rated.stdout)
    assert float(exposure) <= bound, rated.stdout


@needs_systemd
def test_systemd_verifies_the_units(tmp_path: Path) -> None:
    """With this interpreter in ExecStart, since systemd-analyze requires the file."""
    for unit in UNITS.glob("face-model.*"):
        text = unit.read_text(encoding="utf-8")
        (tmp_path / unit.name).write_text(text.replace(INSTALLED, sys.executable), encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_the_socket_keeps_the_default_port_across_restarts() -> None:
    assert SOCKET["ListenStream"] == str(Settings.model_fields["port"].default)
    # One service for all connections, and no flush of the queue at its end; otherwise a restart loses photos.
    assert "Accept" not in SOCKET
    assert "FlushPending" not in SOCKET
    assert SERVICE["NonBlocking"] == "yes", "the mode that the service sets itself"


def test_photos_in_flight_are_finished_before_systemd_kills() -> None:
    assert int(SERVICE["TimeoutStopSec"]) > Settings.model_fields["grace"].default + MARGIN_SECONDS
    assert SERVICE["KillMode"] == "mixed"


def test_repeated_failed_starts_reach_the_start_limit() -> None:
    limits = read("face-model.service")["Unit"]
    pauses = sum(FIRST_PAUSE * 2**number for number in range(MAXIMUM_FAILED_STARTS - 1))
    seconds_to_fail = MAXIMUM_FAILED_STARTS * SECONDS_TO_DIE + pauses
    each = int(SERVICE["RestartSec"]) + seconds_to_fail
    assert int(limits["StartLimitBurst"]) * each < int(limits["StartLimitIntervalSec"])


def test_the_service_has_the_socket_and_no_other_network() -> None:
    """tests/faults/test_systemd.py runs the units."""
    assert SERVICE["PrivateNetwork"] == "yes"
    assert "face-model.socket" in read("face-model.service")["Unit"]["Requires"]


def test_a_graphics_card_needs_its_device_files_and_their_group() -> None:
    """PrivateDevices would hide /dev/dri even where DeviceAllow names it."""
    card = read("graphics-card.conf")["Service"]
    assert card["DeviceAllow"] == "char-drm rw"
    assert card["DevicePolicy"] == "closed"
    assert card["SupplementaryGroups"] == "render"
    assert "PrivateDevices" not in card


def test_the_sandbox_allows_compiled_loops_and_gpus() -> None:
    hiding = {"PrivateDevices", "DevicePolicy", "DeviceAllow", "ProtectClock", "ProcSubset"}
    assert not {*hiding, "MemoryDenyWriteExecute"} & SERVICE.keys()
    assert SERVICE["ProtectSystem"] == "strict"
    assert SERVICE["NoNewPrivileges"] == "yes"
    assert SERVICE["OOMPolicy"] == "continue"
    assert SERVICE["LimitCORE"] == str(NO_CORE[1]), "the value that the service sets itself"
