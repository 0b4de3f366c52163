"""Settings for the resources that Ray has reserved."""

import pytest

from service.hosting.reservation import settings_for

GIBIBYTE = 2**30


@pytest.mark.parametrize(("cores", "photos"), [(0.5, "1"), (1.0, "1"), (2.0, "2"), (3.9, "3")])
def test_a_photo_at_a_time_for_each_reserved_core(cores: float, photos: str) -> None:
    settings = settings_for({"CPU": cores}, {})
    assert (settings["FACE_THREADS"], settings["GUNICORN_WORKERS"]) == ("1", photos)


@pytest.mark.parametrize(
    ("threads", "photos"),
    [
        ("1", "4"),
        ("2", "2"),
        (" 2 ", "2"),
        ("2.0", "2"),
        ("3", "1"),
        ("8", "1"),
        ("0", "4"),
        ("two", "4"),
        ("inf", "4"),
    ],
)
def test_fewer_photos_at_a_time_have_several_threads_each(threads: str, photos: str) -> None:
    assert settings_for({"CPU": 4.0}, {"FACE_THREADS": threads})["GUNICORN_WORKERS"] == photos


def test_a_replica_without_a_reservation_takes_one_core() -> None:
    assert settings_for({}, {})["GUNICORN_WORKERS"] == "1"


def test_four_fifths_of_the_reserved_memory_are_the_budget() -> None:
    assert settings_for({"memory": 2.0 * GIBIBYTE}, {})["FACE_MEMORY"] == str(int(1.6 * GIBIBYTE))
    assert "FACE_MEMORY" not in settings_for({"CPU": 1.0}, {})


def test_a_gpu_is_used_only_if_a_part_of_one_is_reserved() -> None:
    assert settings_for({"CPU": 1.0}, {})["FACE_PROVIDERS"] == "cpu"
    assert "FACE_PROVIDERS" not in settings_for({"CPU": 1.0, "GPU": 0.25}, {})


def test_settings_of_the_environment_win() -> None:
    resources = {"CPU": 4.0, "memory": 4.0 * GIBIBYTE}
    named = {"FACE_MEMORY": "1GiB", "FACE_PROVIDERS": "cuda", "FACE_THREADS": "2", "GUNICORN_WORKERS": "3"}
    assert settings_for(resources, named) == {}
    assert settings_for(resources, dict.fromkeys(named, "")) == settings_for(resources, {})
