import hmac
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.settings import Settings
from service.web import keys
from service.web.keys import KeyRing, NoKey


def _settings(path: Path, key: str | None = None) -> Settings:
    return Settings.model_validate({"API_KEY_FILE": path, "API_KEY": key})


def test_admits_every_key_of_the_ring_and_no_other() -> None:
    ring = KeyRing(["first", "zwëit"])
    assert ring.admits(b"first")
    assert ring.admits("zwëit".encode())
    for offered in (b"", b"firs", b"first ", b"FIRST", b"first\nzw", "zwëit".encode("latin-1")):
        assert not ring.admits(offered)


@pytest.mark.parametrize("offered", [b"", b"first", b"second", b"third", b"x" * 60_000])
def test_compares_digests_of_one_length_with_every_key(
    offered: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No early end: neither the place of a key nor its first different byte shows in the time."""
    compared: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def counted(given: bytes, valid: bytes) -> bool:
        compared.append((len(given), len(valid)))
        return compare(given, valid)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    KeyRing(["first", "second", "third"]).admits(offered)
    assert compared == [(32, 32)] * 3


def test_admits_no_key_without_keys() -> None:
    assert not KeyRing([]).admits(b"")


def test_reads_one_key_per_line_with_any_line_ends_and_a_bom(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_bytes(b"\xef\xbb\xbfnew=\r\n\r\n  \n old \n\n")
    assert keys.read_keys(_settings(path)) == ("new=", "old")


def test_prefers_the_variable_unless_it_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_text("of the file\n")
    assert keys.read_keys(_settings(path, "of the variable\n")) == ("of the variable",)
    assert keys.read_keys(_settings(path, "")) == ("of the file",)


def test_rejects_no_key_with_the_ways_to_provide_one(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    with pytest.raises(NoKey) as refusal:
        keys.read_keys(_settings(path))
    for way in (str(path), "python -m service key", "-v /path/to/api.key:/app/api.key", "-e API_KEY="):
        assert way in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "hint"),
    [
        (b"\n \n", "contains no key"),
        (b"# only a remark\n", "contains no key"),
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
def test_rejects_a_key_file_with_an_error(tmp_path: Path, content: bytes, hint: str) -> None:
    path = tmp_path / "api.key"
    path.write_bytes(content)
    with pytest.raises(NoKey, match=hint) as refusal:
        keys.read_keys(_settings(path))
    assert "\n" not in str(refusal.value)
    assert "bad" not in str(refusal.value)


def test_reads_a_bounded_part_of_a_device() -> None:
    with pytest.raises(NoKey, match="more than 65536 bytes"):
        keys.read_keys(_settings(Path("/dev/zero")))


def test_ignores_comment_lines(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_text("# of Nextcloud, since May\nnew#1\n  # old ones\nold two\u2028 \x85x\n", encoding="utf-8")
    assert keys.read_keys(_settings(path)) == ("new#1", "old two\u2028 \x85x")


def test_explains_a_folder_instead_of_a_key_file(tmp_path: Path) -> None:
    with pytest.raises(NoKey, match="Docker creates one"):
        keys.read_keys(_settings(tmp_path))


def test_makes_a_long_private_key_and_never_overwrites_it(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    key = keys.make_key_file(path)
    assert keys.read_keys(_settings(path)) == (key,)
    assert len(key) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not keys.is_needlessly_world_readable(path)
    with pytest.raises(FileExistsError):
        keys.make_key_file(path)
    assert keys.read_keys(_settings(path)) == (key,)
    path.chmod(0o644)
    assert keys.is_needlessly_world_readable(path)


def test_makes_one_key_if_many_try_at_once(tmp_path: Path) -> None:
    path = tmp_path / "api.key"

    def attempt(_: int) -> str | None:
        try:
            return keys.make_key_file(path)
        except FileExistsError:
            return None

    with ThreadPoolExecutor(8) as threads:
        made = [key for key in threads.map(attempt, range(64)) if key]
    assert [path.read_text().strip()] == made
