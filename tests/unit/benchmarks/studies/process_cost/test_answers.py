"""Byte comparison of two sides' answers."""

from benchmarks.studies.process_cost.answers import compare


def test_compares_first_answers_between_the_sides() -> None:
    before = [(b"one", b"[1]"), (b"two", b"[2]"), (b"three", b"[3]")]
    now = [(b"one", b"[1]"), (b"two", b"[2.0]")]
    found = compare(before, now)
    assert (found.photos, found.differ) == (2, 1)
    assert found.moved == (0, 0)
    assert "1 of 2 photos the same on both sides" in str(found)


def test_compares_later_answers_within_a_side() -> None:
    before = [(b"one", b"[1]"), (b"one", b"[1]"), (b"two", b"[2]")]
    now = [(b"one", b"[1]"), (b"two", b"[2]"), (b"one", b"[1.1]"), (b"one", b"[1.2]"), (b"two", b"[2]")]
    found = compare(before, now)
    assert (found.photos, found.differ) == (2, 0)
    assert found.moved == (0, 2)
    assert str(found).endswith("different from alone: 0 of 3 before, 2 of 5 now")
