import pytest

from service.memory import capacity, largest_photo
from service.memory.capacity import Capacity
from service.memory.largest_photo import MEBIBYTE, MemoryPlan, plan, with_slack
from service.recognition.compute import cgroups
from service.settings import ADVERTISED_AREA, MAXIMUM_ORIGINAL, Settings


@pytest.fixture
def limited(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> int:
    """A container with a memory limit in MiB."""
    monkeypatch.setattr(cgroups, "memory_limit", lambda: request.param * MEBIBYTE)
    return int(request.param * MEBIBYTE)


def planned(cores: int = 2, **values: object) -> MemoryPlan:
    settings = Settings.model_validate(values)
    return plan(settings, Capacity.of(settings, cores))


@pytest.mark.parametrize(
    ("limited", "model", "megapixels"),
    [
        (512, 4, 2.3),
        (512, 1, 2.3),
        (512, 3, 7.4),
        (768, 4, 8.3),
        (768, 1, 8.3),
        (1024, 4, 8.3),
        (1024, 3, 8.3),
        (2048, 4, 8.3),
    ],
    indirect=["limited"],
)
def test_advertises_the_area_that_fits(limited: int, model: int, megapixels: float) -> None:
    made = planned(FACE_MODEL=model)
    assert made.limit == limited
    assert made.advertised_area / 1e6 == pytest.approx(megapixels, abs=0.05)
    assert made.accepted_area == with_slack(made.advertised_area)
    assert (made.warnings() == []) is (megapixels == 8.3)
    assert made.fits is (made.photo <= limited)


@pytest.mark.parametrize("limited", [512], indirect=True)
@pytest.mark.usefixtures("limited")
def test_warns_in_one_line_with_remedies() -> None:
    made = planned()
    (warning,) = made.warnings()
    assert "\n" not in warning
    for part in (
        "a photo of 8.3 megapixels needs 761 MiB, over the memory limit of 512 MiB",
        f"/open advertises {made.advertised_area} pixels",
        "FACE_MAXIMUM_AREA overrides",
        "Raise the limit to 896 MiB",
        f"occ config:app:set facerecognition analysis_image_area --value {made.advertised_area}",
    ):
        assert part in warning
    assert "memory limit 512 MiB. /detect: 761 MiB for a photo of 8.3 megapixels, 2.3 megapixels fit" in (
        made.summary()
    )
    assert "for an original of 256.0 megapixels, 14.7 megapixels fit" in made.summary()


@pytest.mark.parametrize("limited", [512], indirect=True)
@pytest.mark.usefixtures("limited")
def test_advertises_a_set_area_with_a_warning() -> None:
    # Also the default's own value.
    made = planned(FACE_MAXIMUM_AREA=ADVERTISED_AREA)
    assert made.advertised_area == ADVERTISED_AREA
    (warning,) = made.warnings()
    assert "the kernel may kill the worker" in warning
    assert f"--value {made.fitting_area}" in warning
    assert planned(FACE_MAXIMUM_AREA=1_900_000).warnings() == []


@pytest.mark.parametrize("limited", range(400, 1400, 200), indirect=True)
@pytest.mark.parametrize("cores", [1, 2, 16, 64])
@pytest.mark.parametrize("area", [2_000_000, ADVERTISED_AREA, 24_000_000])
@pytest.mark.parametrize("model", [1, 3, 4])
def test_recommended_limit_is_sufficient(
    limited: int, cores: int, area: int, model: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = planned(cores, FACE_MODEL=model, FACE_MAXIMUM_AREA=area)
    assert made.limit == limited
    monkeypatch.setattr(cgroups, "memory_limit", lambda: max(made.sufficient_limit, limited))
    assert planned(cores, FACE_MODEL=model, FACE_MAXIMUM_AREA=area).warnings() == []


@pytest.mark.parametrize("limited", [200], indirect=True)
@pytest.mark.usefixtures("limited")
def test_advertises_no_area_below_the_apps_smallest() -> None:
    made = planned()
    assert made.fitting_area == 0
    assert made.advertised_area == largest_photo.MINIMUM_AREA
    assert planned(FACE_MAXIMUM_AREA=100).advertised_area == 100


def test_takes_the_machines_memory_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "memory_limit", lambda: float("inf"))
    monkeypatch.setattr(capacity, "memory_of_machine", lambda: 4096 * MEBIBYTE)
    # FACE_MEMORY is a budget, no limit of the kernel.
    made = planned(FACE_MEMORY="400MiB")
    assert made.limit == 4096 * MEBIBYTE
    assert (made.advertised_area, made.fitting_original) == (ADVERTISED_AREA, MAXIMUM_ORIGINAL)


@pytest.mark.parametrize("limited", [4096], indirect=True)
@pytest.mark.usefixtures("limited")
def test_warns_of_a_photo_over_the_budget_and_advertises_it() -> None:
    made = planned(FACE_MEMORY="384MiB")
    (warning,) = made.warnings()
    assert warning.startswith("FACE_MEMORY of 384 MiB is below the 761 MiB of a photo of 8.3 megapixels")
    assert made.advertised_area == ADVERTISED_AREA
    assert planned(FACE_MEMORY="1GiB").warnings() == []


@pytest.mark.parametrize("limited", [4096], indirect=True)
@pytest.mark.usefixtures("limited")
def test_plans_for_dlib_a_gigabyte_per_megapixel() -> None:
    assert planned(FACE_ENGINE="dlib").advertised_area / 1e6 == pytest.approx(3.6, abs=0.1)
    assert planned(FACE_ENGINE="dlib", FACE_MODEL=3).advertised_area == ADVERTISED_AREA


def test_accepted_area_covers_the_apps_rounding() -> None:
    # The app scales to sqrt(area / (w·h)) and rounds both sides up.
    for thin in range(17, 2880):
        wide = ADVERTISED_AREA // thin
        assert (thin + 1) * (wide + 1) <= with_slack(ADVERTISED_AREA)
