"""The forecast by a sample, on the real weights."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from service.commands.estimate import measurement
from service.commands.shared.errors import CommandError
from service.settings import Settings


def _settings(store: Path) -> Settings:
    return Settings.model_validate({"FACE_MODEL": 3, "FACE_STORE": store, "FACE_PROVIDERS": "cpu"})


def test_a_sample_is_spread_over_the_folder() -> None:
    spread = measurement._spread([Path(str(number)) for number in range(100)])
    assert len(spread) == measurement.PHOTOS
    assert spread[0] == Path("0")
    assert spread[-1] == Path("97")
    assert measurement._spread([Path("a")]) == [Path("a")]


def test_the_rate_is_that_of_the_photos(
    store: Path, photos: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurement, "SECONDS", 1.0)
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(b"no photo")
    paths = [photos["obama2.jpg"], damaged, photos["biden.jpg"]]
    found = measurement.forecast(_settings(store), paths, 0.1, 6000)
    assert (found.photos, found.sample, found.megapixels) == (6000, 2, 0.1)
    assert found.hours == pytest.approx(6000 / found.photos_per_minute / 60)
    assert 60 < found.photos_per_minute < 60_000
    assert found.replica is not None
    assert found.replica.photos_per_second == pytest.approx(found.photos_per_minute / 60)
    assert found.replica.at_once >= 1


def test_a_sample_that_cannot_be_decoded_is_a_fault(store: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no photo")
    with pytest.raises(CommandError, match="can be decoded"):
        measurement.forecast(_settings(store), [tmp_path / "a.jpg"], 1.2, 10)


def test_a_photo_that_the_service_does_not_accept_is_a_fault(store: Path, photos: dict[str, Path]) -> None:
    settings = _settings(store).model_copy(update={"maximum_area": 500_000})
    with pytest.raises(
        CommandError, match=r"no photo of 1\.2 megapixels here, but up to 0\.5 \(FACE_MAXIMUM_AREA"
    ):
        measurement.forecast(settings, [photos["obama2.jpg"]], 1.2, 10)


def test_uploads_are_jpegs_of_the_area(store: Path, photos: dict[str, Path]) -> None:
    (upload,) = measurement._uploads([photos["obama2.jpg"]], 0.2, _settings(store))
    decoded = cv2.imdecode(np.frombuffer(upload, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    rows, columns, _ = decoded.shape
    assert rows * columns == pytest.approx(0.2e6, rel=0.01)
