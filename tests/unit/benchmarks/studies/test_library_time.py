"""A library sent as by the app, on a service of model 3."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.studies import library_time
from benchmarks.studies.library_time import Library, NoEstimate


@contextmanager
def _no_service(_: object) -> Iterator[tuple[None, None]]:
    yield None, None


def test_each_photo_is_sent_and_failed_ones_are_counted(
    service: httpx.Client, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(service, [photos["obama2.jpg"]], megapixels=0.05, workers=2)
    assert library.send(3) > 0
    assert library.failed == 0
    monkeypatch.setattr(library_time, "upload", lambda *_: b"no photo")
    library.send(2)
    assert library.failed == 2


def test_a_service_without_an_estimate_ends_the_study(
    service: httpx.Client, photos: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_time, "SAMPLE", 1)
    monkeypatch.setattr(library_time, "MAXIMUM_STEPS", 2)
    library = Library(service, [photos["obama2.jpg"]], megapixels=0.05, workers=1)
    with pytest.raises(NoEstimate, match="after 2 photos"):
        library_time.estimated_seconds(service, library, 10)


@pytest.mark.parametrize(("measured", "status"), [(11.4, 0), (11.6, 1), (8.4, 1)])
def test_the_status_is_that_of_the_largest_difference(
    measured: float,
    status: int,
    photos: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(library_time, "estimated_seconds", lambda *_: 10.0)
    monkeypatch.setattr(Library, "send", lambda *_: measured)
    monkeypatch.setattr(library_time, "serving", _no_service)
    folder = str(photos["obama2.jpg"].parent)
    assert library_time.main([folder, "--rounds", "1"]) == status
    assert f"{abs(measured / 10 - 1):.1%}, allowed 15%" in capsys.readouterr().out
