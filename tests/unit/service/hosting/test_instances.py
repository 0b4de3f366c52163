"""Detection of a further instance with the same cores and memory."""

import logging
import math

import pytest

from service.hosting import instances
from service.recognition.compute import cgroups
from service.settings import Settings

LIMITED = (1024.0**3, 1.0)
UNLIMITED = (math.inf, math.inf)


def limit(monkeypatch: pytest.MonkeyPatch, memory: float, cores: float) -> None:
    monkeypatch.setattr(cgroups, "memory_limit", lambda: memory)
    monkeypatch.setattr(cgroups, "core_limit", lambda: cores)


@pytest.fixture(autouse=True)
def own_name(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A name that no service of this machine holds."""
    monkeypatch.setattr(instances, "NAME", f"\0{__name__} {id(request)}")


@pytest.mark.parametrize(
    ("values", "warned"),
    [
        ({}, True),
        ({"FACE_THREADS": 1}, True),
        ({"FACE_MEMORY": "1GiB"}, True),
        ({"FACE_THREADS": 1, "FACE_MEMORY": "1GiB"}, False),
    ],
)
@pytest.mark.parametrize("limits", [LIMITED, UNLIMITED])
def test_warns_of_a_second_instance_without_its_share(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    limits: tuple[float, float],
    values: dict[str, object],
    warned: bool,
) -> None:
    limit(monkeypatch, *limits)
    settings = Settings.model_validate(values)
    with caplog.at_level(logging.WARNING):
        first = instances.hold(settings)
        assert first is not None
        assert not caplog.records
        assert instances.hold(settings) is None
        assert bool(caplog.records) is warned
        first.close()
        again = instances.hold(settings)
    assert again is not None  # the kernel has released the name
    again.close()


def test_instances_in_control_groups_of_their_own_share_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    limit(monkeypatch, *LIMITED)
    held = []
    for group in ("0::/a.service", "0::/b.service"):
        monkeypatch.setattr(instances, "own_group", lambda group=group: group.encode())
        held.append(instances.hold(Settings()))
    assert None not in held
    assert not caplog.records
    for name in held:
        assert name is not None
        name.close()


def test_a_sandbox_without_such_sockets_starts_as_well(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(instances, "NAME", "/nonexistent/name")
    assert instances.hold(Settings()) is None
    assert not caplog.records
