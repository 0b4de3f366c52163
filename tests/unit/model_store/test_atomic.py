import subprocess
import sys
from pathlib import Path

import pytest

from model_store.atomic import TEMPORARY_ENDING, atomic_file, sweep


def temporaries(folder: Path) -> list[Path]:
    return list(folder.glob(f".*{TEMPORARY_ENDING}"))


def interrupted_while_writing(path: Path) -> None:
    with atomic_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt


def test_file_appears_complete_and_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "graph.onnx"

    with atomic_file(path) as file:
        file.write(b"first half, ")
        file.flush()
        assert not path.exists()
        file.write(b"second half")

    assert path.read_bytes() == b"first half, second half"
    assert list(path.parent.iterdir()) == [path]


def test_error_keeps_the_old_file_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"
    path.write_bytes(b"old")

    with pytest.raises(KeyboardInterrupt):
        interrupted_while_writing(path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()

    with atomic_file(tmp_path / "published") as file:
        file.write(b"x")

    assert (tmp_path / "published").stat().st_mode == plain.stat().st_mode


def test_sweep_deletes_leftovers_and_keeps_files_being_written(tmp_path: Path) -> None:
    leftover = tmp_path / f".graph.onnx.0000{TEMPORARY_ENDING}"
    leftover.write_bytes(b"half")
    other = tmp_path / ".unrelated.part"
    other.touch()

    with atomic_file(tmp_path / "graph.onnx") as file:
        assert not leftover.exists()
        file.write(b"whole")
        sweep(tmp_path)
        assert len(temporaries(tmp_path)) == 1

    assert (tmp_path / "graph.onnx").read_bytes() == b"whole"
    assert other.exists()
    assert temporaries(tmp_path) == []


def test_two_writers_of_one_file_both_finish_and_the_last_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "graph.onnx"

    with atomic_file(path) as first:
        with atomic_file(path) as second:
            second.write(b"second")
        first.write(b"first")

    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_discard_unfinished_deletes_temporaries_before_exit(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from model_store import atomic\n"
        "with atomic.atomic_file(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); print(*os.listdir(Path(sys.argv[1]).parent))\n"
        "    atomic.discard_unfinished(); os._exit(0)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "graph.onnx")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip().endswith(TEMPORARY_ENDING)
    assert list(tmp_path.iterdir()) == []
