import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.settings import Settings
from service.web import keys
from service.web.keys import KeyRing, NoKey


def _settings(path: Path, key: str | None = None) -> Settings:
    return Settings.model_validate({"API_KEY_FILE": path, "API_KEY": key})


def test_every_key_of_the_ring_is_admitted_and_no_other() -> None:
    ring = KeyRing(["first", "zwëit"])
    assert ring.admits(b"first")
    assert ring.admits("zwëit".encode())
    for offered in (b"", b"firs", b"first ", b"FIRST", b"first\nzw", "zwëit".encode("latin-1")):
        assert not ring.admits(offered)


def test_a_ring_of_no_keys_admits_nobody() -> None:
    assert not KeyRing([]).admits(b"")


def test_one_key_a_line_however_the_file_was_written(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_bytes(b"\xef\xbb\xbfnew=\r\n\r\n  \n old \n\n")
    assert keys.read_keys(_settings(path)) == ("new=", "old")


def test_the_variable_goes_before_the_file_unless_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_text("of the file\n")
    assert keys.read_keys(_settings(path, "of the variable\n")) == ("of the variable",)
    assert keys.read_keys(_settings(path, "")) == ("of the file",)


def test_no_key_is_refused_with_the_ways_to_give_one(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    with pytest.raises(NoKey) as refusal:
        keys.read_keys(_settings(path))
    for way in (str(path), "python -m service key", "-v /path/to/api.key:/app/api.key", "-e API_KEY="):
        assert way in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\n \n", "holds no key"),
        (b"# only a remark\n", "holds no key"),
        ("key\r\n".encode("utf-16"), "is UTF-16"),
        (b"\xfe\xff\0k\0e\0y", "is UTF-16"),
        ("key\n".encode("utf-16-le"), "line 1 .*control character U\\+0000"),
        ("first\nclé\n".encode("latin-1"), "not UTF-8 in line 2"),
        (b"good\n\nbad\x07key\n", "line 3 .*control character U\\+0007"),
        (b"two\x0bkeys", "control character U\\+000B"),
        (b"\x7f", "control character U\\+007F"),
        (b"k" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_useless_file_is_refused(tmp_path: Path, content: bytes, hint: str) -> None:
    path = tmp_path / "api.key"
    path.write_bytes(content)
    with pytest.raises(NoKey, match=hint) as refusal:
        keys.read_keys(_settings(path))
    assert "\n" not in str(refusal.value)
    assert "bad" not in str(refusal.value)


def test_what_is_endless_is_not_read_to_its_end() -> None:
    with pytest.raises(NoKey, match="more than 65536 bytes"):
        keys.read_keys(_settings(Path("/dev/zero")))


def test_lines_that_begin_with_a_number_sign_are_comments(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_text("# of Nextcloud, since May\nnew#1\n  # old ones\nold two\u2028 \x85x\n", encoding="utf-8")
    assert keys.read_keys(_settings(path)) == ("new#1", "old two\u2028 \x85x")


def test_the_folder_that_docker_makes_for_a_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match="docker makes one"):
        keys.read_keys(_settings(tmp_path))


def test_a_made_key_is_long_private_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    key = keys.make_key_file(path)
    assert keys.read_keys(_settings(path)) == (key,)
    assert len(key) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not keys.needlessly_open(path)
    with pytest.raises(FileExistsError):
        keys.make_key_file(path)
    assert keys.read_keys(_settings(path)) == (key,)
    path.chmod(0o644)
    assert keys.needlessly_open(path)


def test_of_many_that_make_a_key_at_once_one_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "api.key"

    def attempt(_: int) -> str | None:
        try:
            return keys.make_key_file(path)
        except FileExistsError:
            return None

    with ThreadPoolExecutor(8) as threads:
        made = [key for key in threads.map(attempt, range(64)) if key]
    assert [path.read_text().strip()] == made
