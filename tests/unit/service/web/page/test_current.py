"""The present state, from a supervisor that has started no worker."""

import pytest

from service.activity import ActivityLog, EndedPhoto
from service.memory.capacity import Capacity
from service.settings import Settings
from service.supervision import Supervisor, launch_worker
from service.web.page import current
from service.web.page.current import CurrentStatus
from service.web.page.status import Status
from tests.unit.service.coroutines import run_async


def source(activity: ActivityLog, **values: object) -> CurrentStatus:
    supervisor = Supervisor(launch_worker, lambda _: None)  # starts nothing by itself
    settings = Settings.model_validate(values)
    return CurrentStatus(settings, Capacity.of(settings, cores=3), supervisor, activity)


def test_a_library_is_estimated_from_the_last_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_796_032_800.0
    activity = ActivityLog(lambda: now)
    for _ in range(100):
        now += 0.5
        activity.ended(EndedPhoto("/detect", 200, 0.4, None, None, 1000, "JPEG", 1200, 1000))
    monkeypatch.setattr(current, "computing_cores", lambda: 4)

    async def story() -> None:
        estimate = (await source(activity).status()).estimate
        assert estimate is not None
        assert (estimate.photos, estimate.sample, estimate.mean_megapixels) == (40_000, 100, 1.2)
        assert estimate.photos_per_minute == pytest.approx(120, rel=0.01)
        assert estimate.hours == pytest.approx(40_000 * 0.5 / 3600, rel=0.01)
        assert estimate.busy_share == pytest.approx(0.8, rel=0.01)
        assert estimate.at_once == 3
        changes = [option.change for option in estimate.options]
        assert "more workers of the app: at least --workers=5, or cores for Nextcloud" in changes
        assert all(0 < option.hours < estimate.hours for option in estimate.options)

    run_async(story)


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        (None, None),
        ("::", None),
        ("[::]", None),
        ("0.0.0.0", None),
        ("0", None),
        ("::0", None),
        ("*", None),
        ("192.168.1.9", "192.168.1.9:5000"),
        ("fd00::1", "[fd00::1]:5000"),
        ("[fd00::1]", "[fd00::1]:5000"),
    ],
)
def test_hints_at_an_address_that_callers_can_use(host: str | None, hint: str | None) -> None:
    async def story() -> None:
        given = {"FACE_HOST": host} if host else {}
        status = await source(ActivityLog(), **given).status()
        assert (status.state, status.address_hint) == ("starting", hint)

    run_async(story)


def test_json_is_the_state_in_one_line() -> None:
    async def story() -> None:
        made = source(ActivityLog())
        text = await made.json()
        assert b"\n" not in text
        assert Status.model_validate_json(text) == await made.status()
        assert await made.json() is text

    run_async(story)
