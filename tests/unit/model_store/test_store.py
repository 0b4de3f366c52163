import bz2
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_store import hashing
from model_store import store as store_module
from model_store.catalog import load_catalog
from model_store.command import command
from model_store.errors import (
    CorruptWeightError,
    FetchError,
    MissingWeightError,
    RefusedFileError,
    UnknownWeightError,
)
from model_store.store import WeightStore
from tests.unit.model_store.conftest import FIVE_POINTS, Server

DETECTOR = "mmod_human_face_detector"
RESNET = "dlib_face_recognition_resnet_model_v1"
TAGUCHI = "taguchi_face_recognition_resnet_model_v1"
NOBODY = 65534


@pytest.fixture
def filled(tmp_path: Path, weights: Path) -> WeightStore:
    """A store of its own with the detector and the five points."""
    store = WeightStore(tmp_path / "store")
    store.fetch([DETECTOR, FIVE_POINTS], weights)
    return store


@pytest.fixture
def taguchi(tmp_path: Path, weights: Path) -> Path:
    """A file of the Taguchi network's name, whose hash nobody knows: another weight with one bit turned."""
    return flip(Path(shutil.copy(weights / f"{DETECTOR}.dat", tmp_path / f"{TAGUCHI}.dat")))


def flip(path: Path) -> Path:
    """Turn one bit of the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return path


def test_a_verified_file_is_given_and_hashed_once(filled: WeightStore) -> None:
    hashing._hash.cache_clear()

    paths = {filled.path(FIVE_POINTS), WeightStore(filled.root).path(FIVE_POINTS)}

    assert paths == {filled.folder / f"{FIVE_POINTS}.dat"}
    assert hashing._hash.cache_info().misses == 1


def test_a_missing_file_says_how_to_fetch_it(filled: WeightStore) -> None:
    with pytest.raises(
        MissingWeightError, match=rf"{RESNET}.dat is missing. Run: {command('model_store fetch')} {RESNET}"
    ):
        filled.path(RESNET)


def test_an_unknown_name_is_an_error_everywhere(filled: WeightStore) -> None:
    for ask in (
        filled.path,
        filled.sha256,
        lambda name: filled.fetch([name]),
        lambda name: filled.status([name]),
    ):
        with pytest.raises(UnknownWeightError, match="'nonesuch'"):
            ask("nonesuch")


def test_a_changed_file_is_refused_even_after_it_was_verified(filled: WeightStore) -> None:
    right = filled.sha256(FIVE_POINTS)
    flip(filled.path(FIVE_POINTS))

    with pytest.raises(CorruptWeightError, match=f"the catalogue has {right}"):
        filled.path(FIVE_POINTS)


def test_a_corrupt_file_is_deleted_and_fetched_again(
    filled: WeightStore, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip(filled.path(FIVE_POINTS))

    (status,) = filled.fetch([FIVE_POINTS], weights)

    assert status.state == "verified"
    assert "wrong content" in caplog.text
    assert "deleted" in caplog.text


def test_a_corrupt_file_is_gone_even_if_no_source_has_a_right_one(
    filled: WeightStore, server: Server, tmp_path: Path
) -> None:
    flip(filled.path(FIVE_POINTS))

    with pytest.raises(FetchError, match="no source had it"):
        WeightStore(filled.root, server.catalog()).fetch([FIVE_POINTS])

    with pytest.raises(MissingWeightError):
        filled.path(FIVE_POINTS)


def test_something_that_is_no_file_is_reported_as_corrupt(filled: WeightStore) -> None:
    path = filled.path(FIVE_POINTS)
    path.unlink()
    path.mkdir()

    with pytest.raises(CorruptWeightError, match="cannot be read: Is a directory"):
        filled.path(FIVE_POINTS)


def test_what_is_there_is_not_fetched_again(filled: WeightStore, server: Server) -> None:
    before = filled.path(FIVE_POINTS).stat()

    WeightStore(filled.root, server.catalog()).fetch([FIVE_POINTS])

    assert filled.path(FIVE_POINTS).stat() == before
    assert server.hits == []


def test_status_tells_each_weight_and_the_detectors_edition(filled: WeightStore) -> None:
    states = {status.weight.name: status for status in filled.status()}

    assert {name: status.state for name, status in states.items()} == {
        name: "verified" if name in (DETECTOR, FIVE_POINTS) else "missing" for name in load_catalog().weights
    }
    edition = load_catalog().weight(DETECTOR).edition(filled.sha256(DETECTOR))
    assert edition is not None
    assert states[DETECTOR].detail == edition.origin
    assert states[FIVE_POINTS].sha256 == filled.sha256(FIVE_POINTS)
    assert not any(status.recorded_here for status in states.values())


@pytest.mark.slow
def test_the_less_preferred_detector_is_announced(
    tmp_path: Path, sdist_store: WeightStore, caplog: pytest.LogCaptureFixture
) -> None:
    WeightStore(tmp_path).fetch([DETECTOR, FIVE_POINTS], sdist_store.folder)

    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"{DETECTOR}.dat is from {load_catalog().weight(DETECTOR).editions[1].origin}"
    ]


def test_a_known_weight_is_added_plain_or_compressed(
    tmp_path: Path, weights: Path, five_points_bz2: bytes
) -> None:
    store = WeightStore(tmp_path / "store")
    compressed = tmp_path / f"{FIVE_POINTS}.dat.bz2"
    compressed.write_bytes(five_points_bz2)

    assert store.add(compressed).state == "verified"
    assert store.add(weights / f"{DETECTOR}.dat").state == "verified"
    assert not list(store.folder.glob("*.sha256"))


def test_a_known_weight_with_other_bytes_is_refused(
    tmp_path: Path, filled: WeightStore, weights: Path
) -> None:
    before = filled.sha256(DETECTOR)
    impostor = Path(shutil.copy(weights / f"{DETECTOR}.dat", tmp_path))
    flip(impostor)

    with pytest.raises(
        RefusedFileError, match=rf"is not {DETECTOR}.dat: its sha256 is [0-9a-f]{{64}}, the catalogue"
    ):
        filled.add(impostor)

    assert filled.sha256(DETECTOR) == before


@pytest.mark.parametrize(
    "name", ["face.dat", "mmod_human_face_detector.onnx", "mmod_human_face_detector.dat.gz"]
)
def test_a_file_of_another_name_is_refused_with_the_names_there_are(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")

    with pytest.raises(UnknownWeightError, match=f"the catalogue has {DETECTOR}"):
        WeightStore(tmp_path / "store").add(tmp_path / name)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / f"{TAGUCHI}.dat.bz2").write_bytes(b"BZh9 and no more")

    for missing_or_broken in (f"{FIVE_POINTS}.dat", f"{TAGUCHI}.dat.bz2"):
        with pytest.raises(RefusedFileError, match=r"was not added: .*(No such file|Invalid data)"):
            WeightStore(tmp_path / "store").add(tmp_path / missing_or_broken)


def test_a_weight_without_known_hash_is_not_fetched_but_explained(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")

    with pytest.raises(
        FetchError, match=rf"https://.*/{TAGUCHI}.dat.bz2 and run: {command('model_store add')} {TAGUCHI}"
    ):
        store.fetch([TAGUCHI], taguchi.parent)

    assert not store._file(store.catalog.weight(TAGUCHI)).exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_the_hash_of_an_unknown_file_is_recorded_and_then_holds(
    tmp_path: Path, taguchi: Path, compressed: bool
) -> None:
    store = WeightStore(tmp_path / "store")
    given = taguchi
    if compressed:
        given = tmp_path / f"{TAGUCHI}.dat.bz2"
        given.write_bytes(bz2.compress(taguchi.read_bytes()))

    added = store.add(given)

    assert added.state == "verified"
    assert added.recorded_here
    assert "not from the catalogue" in added.detail
    assert store.fetch([TAGUCHI])[0].sha256 == added.sha256
    checked = subprocess.run(
        ["sha256sum", "--check", f"{TAGUCHI}.sha256"], cwd=store.folder, capture_output=True, check=False
    )
    assert checked.returncode == 0

    flip(store.path(TAGUCHI))

    with pytest.raises(CorruptWeightError, match=f"has changed since it was added .*recorded {added.sha256}"):
        store.path(TAGUCHI)
    with pytest.raises(FetchError, match="has changed since it was added"):
        store.fetch([TAGUCHI], taguchi.parent)
    assert store.add(given).state == "verified"


def test_another_file_does_not_replace_a_recorded_one(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")
    recorded = store.add(taguchi).sha256
    taguchi.write_bytes(b"another network")

    with pytest.raises(RefusedFileError, match=rf"{recorded} is recorded .* remove .*{TAGUCHI}.sha256 first"):
        store.add(taguchi)

    assert store.sha256(TAGUCHI) == recorded


def test_a_file_that_only_lies_there_is_not_trusted_until_it_is_added(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")
    store.folder.mkdir(parents=True)
    laid = Path(shutil.copy(taguchi, store.folder))

    with pytest.raises(CorruptWeightError, match=f"Run: {command('model_store add')} {laid}"):
        store.path(TAGUCHI)

    store.add(laid)
    assert store.path(TAGUCHI) == laid


@pytest.mark.parametrize("record", ["", "\xff"])
def test_a_damaged_record_is_reported(tmp_path: Path, taguchi: Path, record: str) -> None:
    store = WeightStore(tmp_path / "store")
    store.add(taguchi)
    (store.folder / f"{TAGUCHI}.sha256").write_text(record, "latin-1")

    assert "holds no sha256" in store.status([TAGUCHI])[0].detail


def test_an_unknown_file_is_bounded_in_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "LARGEST_WEIGHT_BYTES", 1 << 20)
    (tmp_path / f"{TAGUCHI}.dat.bz2").write_bytes(bz2.compress(bytes(2 << 20)))

    with pytest.raises(RefusedFileError, match="more than the 1048576 bytes"):
        WeightStore(tmp_path / "store").add(tmp_path / f"{TAGUCHI}.dat.bz2")


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Take the permission to write from `folder` and, from a test run by root, root's right to write anyway."""
    folder.chmod(0o555)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)
        folder.chmod(0o755)


def test_a_full_store_needs_no_permission_to_write(weights: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        Path(folder).chmod(0o755)
        store = WeightStore(Path(folder))
        store.fetch([FIVE_POINTS], weights)
        (store.folder / ".lock").unlink()

        with unwritable(store.folder):
            with pytest.raises(PermissionError):
                (store.folder / "probe").touch()
            hashing._hash.cache_clear()
            assert store.fetch([FIVE_POINTS])[0].state == "verified"
            assert store.path(FIVE_POINTS).is_file()
            with pytest.raises(PermissionError):
                store.fetch([DETECTOR], weights)
