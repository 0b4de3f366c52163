"""service/estimate/library.py: hours for a library, and the gain of each change."""

from dataclasses import replace

import pytest

from service.estimate.library import Load, estimate, relative_time

BUSY = Load(photos=300, seconds=60.0, busy_seconds=60.0, pixels=1.2e6)


def test_hours_are_those_of_the_samples_rate() -> None:
    result = estimate(BUSY, 36_000, cores=2)
    assert result.photos_per_minute == 300
    assert result.hours == pytest.approx(2.0)


def test_time_by_area_follows_the_measured_rates() -> None:
    """Photos a second of docs/reference/performance.md: 24.9, 8.9 and 2.81 at 0.3, 1.2 and 4 megapixels."""
    assert relative_time(0.3, 1.2) == pytest.approx(8.9 / 24.9, rel=0.02)
    assert relative_time(4, 1.2) == pytest.approx(8.9 / 2.81, rel=0.06)


def test_a_busy_service_gains_by_area_and_cores_alone() -> None:
    options = estimate(BUSY, 36_000, cores=2).options
    assert [option.change.split(" ")[0] for option in options] == ["photos", "a", "4"]
    halved, fast_pass, cores = (option.hours for option in options)
    assert halved == pytest.approx(2.0 * 0.8 / 1.4)
    assert fast_pass == pytest.approx(2.0 * 0.5 / 1.4)
    assert cores == pytest.approx(2.0 / 1.84)


def test_a_service_without_photos_for_a_part_of_the_time_gains_by_workers() -> None:
    load = Load(photos=300, seconds=60.0, busy_seconds=30.0, pixels=0.3e6)
    workers, _, cores = estimate(load, 36_000, cores=4).options
    assert workers.change.startswith("more workers of the app: at least --workers=5")
    assert workers.hours == pytest.approx(1.0)
    assert "50% of the time" in workers.source
    assert cores.hours == pytest.approx(1.0 + 1.0 / 1.84)  # callers' pauses stay


def test_a_fast_pass_is_followed_by_a_full_one() -> None:
    full, _ = estimate(replace(BUSY, pixels=0.31e6), 36_000, cores=2).options
    assert full.change.startswith("the full pass")
    assert full.hours == pytest.approx(2.0 * relative_time(1.2, 0.31))


def test_a_gpu_has_no_figures_of_cpus() -> None:
    load = replace(BUSY, busy_seconds=30.0)
    (workers,) = estimate(load, 36_000, cores=4, on_cpu=False).options
    assert workers.hours == pytest.approx(1.0)


@pytest.mark.parametrize("load", [Load(0, 60, 0, 1e6), Load(10, 0, 0, 1e6)])
def test_an_empty_sample_is_an_error(load: Load) -> None:
    with pytest.raises(ValueError, match="sample"):
        estimate(load, 40_000, cores=2)
