"""Photo corpus: a folder of photos and its optional annotations.

- `pairs.csv` (file_a, file_b, same): 1 if the widest faces of two photos show the same person, else 0. Without it, the
  pairs are derived from a `manifest.csv` with an `identity` for each `file`.
- `*boxes*.csv` (file, left, top, width, height): manually marked faces, in pixels of the photo.

File names are relative to the folder.
"""

import csv
import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.recognition.geometry import Rectangle

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif", ".avif", ".bmp", ".gif", ".tif", ".tiff"}
)
MAXIMUM_PAIRS = 500_000
"""Upper bound on pairs derived from a manifest; a larger set is subsampled at a fixed step."""


class CorpusError(ValueError):
    """An annotation file is malformed, or the folder has no photo. One line with the file and the reason."""


@dataclass(frozen=True)
class Pair:
    """Two photos and a label: True if their widest faces show the same person."""

    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Corpus:
    """Photos with their annotations."""

    folder: Path
    photos: Sequence[Path]
    pairs: Sequence[Pair] = ()
    boxes: Mapping[str, Sequence[Rectangle]] | None = None
    """Marked faces by photo name, for annotated photos only; None without annotations."""

    def name(self, photo: Path) -> str:
        """Path relative to the folder, as pairs and boxes name it."""
        return photo.relative_to(self.folder).as_posix()


def photos_in(folder: Path) -> list[Path]:
    """Photos of a folder, recursively, by file suffix, sorted."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())


def read(folder: Path) -> Corpus:
    """Read the corpus of a folder. Raises CorpusError."""
    if not folder.is_dir():
        raise CorpusError(f"{folder} is not a folder")
    photos = photos_in(folder)
    if not photos:
        raise CorpusError(f"there are no photos in {folder}")
    boxes = next(iter(sorted(folder.glob("*boxes*.csv"))), None)
    return Corpus(folder, photos, _pairs(folder), _boxes(boxes) if boxes else None)


def spread(photos: Sequence[Path], count: int) -> list[Path]:
    """At most `count` photos, evenly spaced over the list."""
    return (
        [photos[number * len(photos) // count] for number in range(count)]
        if count < len(photos)
        else list(photos)
    )


def _pairs(folder: Path) -> list[Pair]:
    pairs, manifest = folder / "pairs.csv", folder / "manifest.csv"
    if pairs.exists():
        rows = _rows(pairs, "file_a", "file_b", "same")
        return [Pair(row["file_a"], row["file_b"], _same(row["same"], pairs)) for row in rows]
    people = defaultdict[str, list[str]](list)
    for row in _rows(manifest, "file") if manifest.exists() else ():
        if identity := row.get("identity"):
            people[identity].append(row["file"])
    known = [(identity, file) for identity, files in people.items() for file in files]
    every = math.ceil(math.comb(len(known), 2) / MAXIMUM_PAIRS) or None
    return [
        Pair(file, other_file, identity == other)
        for (identity, file), (other, other_file) in itertools.islice(
            itertools.combinations(known, 2), 0, None, every
        )
    ]


def _same(text: str, path: Path) -> bool:
    if text not in ("0", "1"):
        raise CorpusError(f"{path}: `same` is 1 or 0, not {text!r}")
    return text == "1"


def _boxes(path: Path) -> dict[str, list[Rectangle]]:
    boxes = defaultdict[str, list[Rectangle]](list)
    for row in _rows(path, "file", "left", "top", "width", "height"):
        try:
            left, top, width, height = (int(float(row[name])) for name in ("left", "top", "width", "height"))
        except (ValueError, TypeError) as error:
            raise CorpusError(f"{path}: {error}") from error
        boxes[row["file"]].append(Rectangle(left, top, left + width - 1, top + height - 1))
    return dict(boxes)


def _rows(path: Path, *columns: str) -> Iterator[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if missing := set(columns) - set(reader.fieldnames or ()):
                raise CorpusError(f"{path} has no column {', '.join(sorted(missing))}")
            yield from reader
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise CorpusError(f"{path}: {error}") from error
