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
    StorageError,
    UnknownWeightError,
)
from model_store.models import CNN_DETECTOR, DLIB_RESNET, FIVE_POINTS, TAGUCHI_RESNET
from model_store.store import WeightStore
from tests.unit.model_store.conftest import Server

UNPRIVILEGED_UID = 65534


@pytest.fixture
def filled(tmp_path: Path, weights: Path) -> WeightStore:
    """A new store with the detector and the five-point predictor."""
    store = WeightStore(tmp_path / "store")
    store.fetch([CNN_DETECTOR, FIVE_POINTS], weights)
    return store


@pytest.fixture
def taguchi(tmp_path: Path, weights: Path) -> Path:
    """A file with the Taguchi network's name and an unknown hash: another weight with one bit flipped."""
    return flip(Path(shutil.copy(weights / f"{CNN_DETECTOR}.dat", tmp_path / f"{TAGUCHI_RESNET}.dat")))


def flip(path: Path) -> Path:
    """Flip one bit of the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    return path


def test_verified_file_is_hashed_once(filled: WeightStore) -> None:
    hashing._hash.cache_clear()

    paths = {filled.path(FIVE_POINTS), WeightStore(filled.root).path(FIVE_POINTS)}

    assert paths == {filled.folder / f"{FIVE_POINTS}.dat"}
    assert hashing._hash.cache_info().misses == 1


def test_missing_file_error_has_the_fetch_command(filled: WeightStore) -> None:
    with pytest.raises(
        MissingWeightError,
        match=rf"{DLIB_RESNET}.dat is missing. Run: {command('model_store fetch')} {DLIB_RESNET}",
    ):
        filled.path(DLIB_RESNET)


def test_every_method_rejects_an_unknown_name(filled: WeightStore) -> None:
    for call in (
        filled.path,
        filled.sha256,
        lambda name: filled.fetch([name]),
        lambda name: filled.status([name]),
    ):
        with pytest.raises(UnknownWeightError, match="'unknown'"):
            call("unknown")


def test_rejects_a_file_changed_after_verification(filled: WeightStore) -> None:
    right = filled.sha256(FIVE_POINTS)
    flip(filled.path(FIVE_POINTS))

    with pytest.raises(CorruptWeightError, match=f"the catalogue has {right}"):
        filled.path(FIVE_POINTS)


def test_corrupt_file_is_deleted_and_fetched_again(
    filled: WeightStore, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flip(filled.path(FIVE_POINTS))

    (status,) = filled.fetch([FIVE_POINTS], weights)

    assert status.state == "verified"
    assert "wrong content" in caplog.text
    assert "deleted" in caplog.text


def test_corrupt_file_is_deleted_even_if_all_sources_fail(
    filled: WeightStore, server: Server, tmp_path: Path
) -> None:
    flip(filled.path(FIVE_POINTS))

    with pytest.raises(FetchError, match="all sources failed"):
        WeightStore(filled.root, server.catalog()).fetch([FIVE_POINTS])

    with pytest.raises(MissingWeightError):
        filled.path(FIVE_POINTS)


def test_folder_in_place_of_a_file_is_corrupt(filled: WeightStore) -> None:
    path = filled.path(FIVE_POINTS)
    path.unlink()
    path.mkdir()

    with pytest.raises(CorruptWeightError, match="cannot be read: Is a directory"):
        filled.path(FIVE_POINTS)


def test_verified_file_is_not_fetched_again(filled: WeightStore, server: Server) -> None:
    before = filled.path(FIVE_POINTS).stat()

    WeightStore(filled.root, server.catalog()).fetch([FIVE_POINTS])

    assert filled.path(FIVE_POINTS).stat() == before
    assert server.hits == []


def test_status_has_the_state_and_origin_of_each_weight(filled: WeightStore) -> None:
    states = {status.weight.name: status for status in filled.status()}

    assert {name: status.state for name, status in states.items()} == {
        name: "verified" if name in (CNN_DETECTOR, FIVE_POINTS) else "missing"
        for name in load_catalog().weights
    }
    variant = load_catalog().weight(CNN_DETECTOR).variant(filled.sha256(CNN_DETECTOR))
    assert variant is not None
    assert states[CNN_DETECTOR].origin == variant.origin
    assert states[FIVE_POINTS].sha256 == filled.sha256(FIVE_POINTS)
    assert all(bool(status.problem) == (status.state == "missing") for status in states.values())


@pytest.mark.slow
def test_less_preferred_detector_is_a_warning(
    tmp_path: Path, sdist_store: WeightStore, caplog: pytest.LogCaptureFixture
) -> None:
    WeightStore(tmp_path).fetch([CNN_DETECTOR, FIVE_POINTS], sdist_store.folder)

    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    variant = load_catalog().weight(CNN_DETECTOR).variants[1]
    assert warning.startswith(
        f"WARNING: {CNN_DETECTOR}.dat is from {variant.origin}. It is {variant.caution}. "
    )
    assert warning.endswith(command(f"model_store add {CNN_DETECTOR}.dat.bz2"))


def test_adds_a_known_weight_uncompressed_or_bz2(
    tmp_path: Path, weights: Path, five_points_bz2: bytes
) -> None:
    store = WeightStore(tmp_path / "store")
    compressed = tmp_path / f"{FIVE_POINTS}.dat.bz2"
    compressed.write_bytes(five_points_bz2)

    assert store.add(compressed).state == "verified"
    assert store.add(weights / f"{CNN_DETECTOR}.dat").state == "verified"
    assert not list(store.folder.glob("*.sha256"))


def test_add_rejects_another_content_of_a_known_weight(
    tmp_path: Path, filled: WeightStore, weights: Path
) -> None:
    before = filled.sha256(CNN_DETECTOR)
    impostor = Path(shutil.copy(weights / f"{CNN_DETECTOR}.dat", tmp_path))
    flip(impostor)

    with pytest.raises(
        RefusedFileError, match=rf"is not {CNN_DETECTOR}.dat: its sha256 is [0-9a-f]{{64}}, the catalogue"
    ):
        filled.add(impostor)

    assert filled.sha256(CNN_DETECTOR) == before


@pytest.mark.parametrize(
    "name", ["face.dat", "mmod_human_face_detector.onnx", "mmod_human_face_detector.dat.gz"]
)
def test_add_rejects_an_unknown_file_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")

    with pytest.raises(UnknownWeightError, match=f"the catalogue has {CNN_DETECTOR}"):
        WeightStore(tmp_path / "store").add(tmp_path / name)


def test_add_rejects_an_unreadable_file_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / f"{TAGUCHI_RESNET}.dat.bz2").write_bytes(b"BZh9 and no more")

    for missing_or_broken in (f"{FIVE_POINTS}.dat", f"{TAGUCHI_RESNET}.dat.bz2"):
        with pytest.raises(RefusedFileError, match=r"was not added: .*(No such file|Invalid data)"):
            WeightStore(tmp_path / "store").add(tmp_path / missing_or_broken)


def test_fetch_error_of_a_weight_without_known_hash_has_the_remedy(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")

    with pytest.raises(
        FetchError,
        match=rf"https://.*/{TAGUCHI_RESNET}.dat.bz2 and run: {command('model_store add')} {TAGUCHI_RESNET}",
    ):
        store.fetch([TAGUCHI_RESNET], taguchi.parent)

    assert not store._file(store.catalog.weight(TAGUCHI_RESNET)).exists()


@pytest.mark.parametrize("compressed", [False, True])
def test_hash_of_an_added_file_is_recorded_and_verified_from_then_on(
    tmp_path: Path, taguchi: Path, compressed: bool
) -> None:
    store = WeightStore(tmp_path / "store")
    given = taguchi
    if compressed:
        given = tmp_path / f"{TAGUCHI_RESNET}.dat.bz2"
        given.write_bytes(bz2.compress(taguchi.read_bytes()))

    added = store.add(given)

    assert added.state == "verified"
    assert "not from the catalogue" in added.origin
    assert store.fetch([TAGUCHI_RESNET])[0].sha256 == added.sha256
    checked = subprocess.run(
        ["sha256sum", "--check", f"{TAGUCHI_RESNET}.sha256"],
        cwd=store.folder,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0

    flip(store.path(TAGUCHI_RESNET))

    with pytest.raises(CorruptWeightError, match=f"has changed since it was added .*recorded {added.sha256}"):
        store.path(TAGUCHI_RESNET)
    with pytest.raises(FetchError, match="has changed since it was added"):
        store.fetch([TAGUCHI_RESNET], taguchi.parent)
    assert store.add(given).state == "verified"


def test_add_rejects_another_file_than_the_recorded_one(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")
    recorded = store.add(taguchi).sha256
    taguchi.write_bytes(b"another network")

    with pytest.raises(
        RefusedFileError, match=rf"{recorded} is recorded .* remove .*{TAGUCHI_RESNET}.sha256 first"
    ):
        store.add(taguchi)

    assert store.sha256(TAGUCHI_RESNET) == recorded


def test_copied_file_without_known_hash_is_unusable_until_added(tmp_path: Path, taguchi: Path) -> None:
    store = WeightStore(tmp_path / "store")
    store.folder.mkdir(parents=True)
    copied = Path(shutil.copy(taguchi, store.folder))

    with pytest.raises(CorruptWeightError, match=f"Run: {command('model_store add')} {copied}"):
        store.path(TAGUCHI_RESNET)

    store.add(copied)
    assert store.path(TAGUCHI_RESNET) == copied


@pytest.mark.parametrize("record", ["", "\xff"])
def test_damaged_record_is_a_problem(tmp_path: Path, taguchi: Path, record: str) -> None:
    store = WeightStore(tmp_path / "store")
    store.add(taguchi)
    (store.folder / f"{TAGUCHI_RESNET}.sha256").write_text(record, "latin-1")

    assert "holds no sha256" in store.status([TAGUCHI_RESNET])[0].problem


def test_add_limits_the_size_of_a_file_without_known_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "LARGEST_WEIGHT_BYTES", 1 << 20)
    (tmp_path / f"{TAGUCHI_RESNET}.dat.bz2").write_bytes(bz2.compress(bytes(2 << 20)))

    with pytest.raises(RefusedFileError, match="more than the 1048576 bytes"):
        WeightStore(tmp_path / "store").add(tmp_path / f"{TAGUCHI_RESNET}.dat.bz2")


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Remove the write permission of `folder`, and the privileges of root if the test runs as root."""
    folder.chmod(0o555)
    privileged = os.geteuid() == 0
    if privileged:
        os.seteuid(UNPRIVILEGED_UID)
    try:
        yield
    finally:
        if privileged:
            os.seteuid(0)
        folder.chmod(0o755)


def test_filled_store_may_be_read_only(weights: Path) -> None:
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
            with pytest.raises(StorageError, match="Permission denied"):
                store.fetch([CNN_DETECTOR], weights)
