"""Analysis of photos on the real weights: lines, faults, order."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.commands.analyse import analysis
from service.commands.shared.errors import CommandError
from service.commands.shared.photo_files import Photo
from service.settings import Settings


def _settings(store: Path, **settings: object) -> Settings:
    return Settings.model_validate({"FACE_MODEL": 3, "FACE_STORE": store, **settings})


def _lines(settings: Settings, *photos: Photo, annotated: Path | None = None) -> list[Any]:
    lines = [*analysis.analyse(settings, photos, annotated, 2)]
    contents = [json.loads(line.text) for line in lines]
    assert ["error" in content for content in contents] == [line.failed for line in lines]
    return contents


def test_a_bad_photo_is_a_line_and_the_run_goes_on(
    store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    good = photos["obama2.jpg"]
    damaged = tmp_path / "damaged.jpg"
    damaged.write_bytes(good.read_bytes()[:300])
    missing = tmp_path / "missing.jpg"
    first, second, third, last = _lines(
        _settings(store), Photo(damaged), Photo(missing), Photo(good), Photo(tmp_path, "Planted.")
    )
    assert first["filename"] == str(damaged)
    assert second == {
        "filename": str(missing),
        "error": "The file cannot be read: No such file or directory.",
    }
    assert (third["filename"], third["faces-count"]) == (str(good), 1)
    assert last == {"filename": str(tmp_path), "error": "Planted."}


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"FACE_MAXIMUM_UPLOAD": 100}, "more than 100 bytes (FACE_MAXIMUM_UPLOAD)"),
        ({"FACE_MAXIMUM_ORIGINAL_AREA": 100}, "the limit is 100"),
    ],
)
def test_limits_are_those_of_the_settings(
    store: Path, tmp_path: Path, settings: dict[str, object], part: str
) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    (line,) = _lines(_settings(store, **settings), Photo(tmp_path / "a.png"))
    assert part in line["error"]


def test_a_photo_over_the_memory_of_the_machine_is_refused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(analysis, "hard_limit", lambda: 1e6)
    Image.new("RGB", (200, 100)).save(tmp_path / "a.png")
    (line,) = _lines(_settings(store), Photo(tmp_path / "a.png"))
    assert line["error"].startswith(
        "The image of 200 x 100 pixels needs 26 MB of memory, and this machine has 1 MB"
    )


def test_writes_annotated_copies_or_names_the_folder(
    store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    photo = Photo(photos["obama2.jpg"])
    (line,) = _lines(_settings(store), photo, annotated=tmp_path / "out")
    assert line["faces-count"] == 1
    assert [path.name for path in tmp_path.glob("out/**/*.jpg")] == ["obama2.jpg.faces.jpg"]
    (tmp_path / "file").touch()
    (refused,) = _lines(_settings(store), photo, annotated=tmp_path / "file")
    assert refused["error"].startswith(f"The annotated copy in {tmp_path}/file cannot be written: ")


def test_lines_keep_the_order_of_more_photos_than_are_ahead(store: Path, photos: dict[str, Path]) -> None:
    number = 3 * 2 * analysis.AHEAD
    listed = [Photo(Path(f"{place}.jpg"), "Planted.") for place in range(number)]
    listed[0] = Photo(photos["obama2.jpg"])
    lines = _lines(_settings(store), *listed)
    assert [line["filename"] for line in lines] == [str(photo.path) for photo in listed]


def test_a_stopped_run_starts_no_further_photo(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Photo] = []

    def slow(_: analysis.Analysis, photo: Photo, annotated: Path | None) -> analysis.Line:
        begun.append(photo)
        time.sleep(0.05)
        return analysis.Line("{}", failed=False)

    monkeypatch.setattr(analysis.Analysis, "line", slow)
    lines = analysis.analyse(_settings(store), [Photo(tmp_path)] * 1000, None, 2)
    next(lines)
    lines.close()
    assert len(begun) < analysis.AHEAD


def test_an_empty_store_is_an_error_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="fetch"):
        _lines(_settings(tmp_path), Photo(tmp_path / "a.jpg"))
