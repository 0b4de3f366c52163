"""Photos and annotations of a folder."""

from pathlib import Path

import pytest

from benchmarks.harness.corpus import CorpusError, Pair, read, spread
from service.recognition.geometry import Rectangle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "trip").mkdir()
    for name in ("a.jpg", "b.JPG", "trip/c.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    return tmp_path


def test_finds_photos_recursively_and_nothing_else(folder: Path) -> None:
    corpus = read(folder)
    assert [corpus.name(photo) for photo in corpus.photos] == ["a.jpg", "b.JPG", "trip/c.png"]
    assert corpus.pairs == []
    assert corpus.boxes is None


def test_reads_pairs_and_boxes(folder: Path) -> None:
    (folder / "pairs.csv").write_text("file_a,file_b,same\na.jpg,b.JPG,1\na.jpg,trip/c.png,0\n")
    (folder / "marked_boxes.csv").write_text("file,left,top,width,height\na.jpg,10,20,30,40\n")
    corpus = read(folder)
    assert corpus.pairs == [Pair("a.jpg", "b.JPG", same=True), Pair("a.jpg", "trip/c.png", same=False)]
    assert corpus.boxes == {"a.jpg": [Rectangle(10, 20, 39, 59)]}


def test_derives_pairs_from_a_manifest(folder: Path) -> None:
    (folder / "manifest.csv").write_text("file,identity\na.jpg,ann\nb.JPG,ann\ntrip/c.png,bob\n")
    same = {(pair.first, pair.second): pair.same for pair in read(folder).pairs}
    assert same == {("a.jpg", "b.JPG"): True, ("a.jpg", "trip/c.png"): False, ("b.JPG", "trip/c.png"): False}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("pairs.csv", "a,b\n", "has no column file_a, file_b, same"),
        ("pairs.csv", "file_a,file_b,same\na.jpg,b.JPG,true\n", "`same` is 1 or 0, not 'true'"),
        ("boxes.csv", "file,left,top,width,height\na.jpg,x,1,1,1\n", "boxes.csv"),
        ("boxes.csv", "file,left,top,width,height\na.jpg,1\n", "boxes.csv"),
    ],
)
def test_names_a_malformed_file(folder: Path, name: str, content: str, message: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(CorpusError, match=message):
        read(folder)


def test_names_a_file_in_another_encoding(folder: Path) -> None:
    (folder / "pairs.csv").write_bytes("file_a,file_b,same,größe\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"pairs\.csv"):
        read(folder)


def test_bounds_the_number_of_derived_pairs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "manifest.csv").write_text(
        "file,identity\n" + "".join(f"{n}.jpg,{n % 7}\n" for n in range(100))
    )
    monkeypatch.setattr("benchmarks.harness.corpus.MAXIMUM_PAIRS", 500)
    pairs = read(folder).pairs
    assert 400 <= len(pairs) <= 500
    assert {pair.same for pair in pairs} == {True, False}


def test_rejects_a_missing_folder_and_one_without_photos(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no photos"):
        read(tmp_path)
    with pytest.raises(CorpusError, match="is not a folder"):
        read(tmp_path / "absent")


def test_spreads_a_selection_over_the_list() -> None:
    paths = [Path(str(number)) for number in range(10)]
    assert spread(paths, 3) == [paths[0], paths[3], paths[6]]
    assert spread(paths, 20) == paths
