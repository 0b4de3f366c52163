from __future__ import annotations

import fcntl
import mmap
import os
from pathlib import Path

import pytest

from service.ipc import SealedMemory, UnsealedMemory
from service.ipc.sealed_memory import SEALS


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_parts_are_concatenated() -> None:
    with SealedMemory.of(b"photo", memoryview(b"name"), b"") as memory:
        assert (memory.size, memory.read(0, 5), memory.read(5, 100)) == (9, b"photo", b"name")


def test_content_is_immutable() -> None:
    with SealedMemory.of(b"photo") as memory:
        for change in (
            lambda: os.pwrite(memory.descriptor, b"x", 0),
            lambda: os.ftruncate(memory.descriptor, 1),
            lambda: os.ftruncate(memory.descriptor, 100),
            lambda: mmap.mmap(memory.descriptor, 5, mmap.MAP_SHARED, mmap.PROT_WRITE),
        ):
            with pytest.raises(PermissionError):
                change()
        assert memory.read(0, 5) == b"photo"


def test_a_mapping_is_private_and_outlives_the_descriptor() -> None:
    memory = SealedMemory.of(b"photo")
    with memory.mapped() as mapped, memory.mapped() as other:
        memory.close()
        mapped[0:1] = b"P"
        assert (bytes(mapped), bytes(other)) == (b"Photo", b"photo")


def test_an_empty_file_cannot_be_mapped() -> None:
    with SealedMemory.of() as memory, pytest.raises(ValueError, match="empty"):
        memory.mapped()


@pytest.mark.parametrize("missing", [0, fcntl.F_SEAL_WRITE, fcntl.F_SEAL_SHRINK, fcntl.F_SEAL_GROW])
def test_a_file_without_all_seals_is_refused_and_closed(missing: int) -> None:
    before = descriptors()
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    if missing:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, SEALS & ~missing)
    with pytest.raises(UnsealedMemory):
        SealedMemory(descriptor)
    assert descriptors() == before


def test_a_descriptor_of_another_kind_is_refused_and_closed() -> None:
    before = descriptors()
    for descriptor in (*os.pipe(), os.open("/dev/null", os.O_RDONLY)):
        with pytest.raises(UnsealedMemory):
            SealedMemory(descriptor)
    assert descriptors() == before


def test_it_is_closed_once() -> None:
    memory = SealedMemory.of(b"photo")
    number = memory.descriptor
    memory.close()
    reused = os.dup(0)
    assert reused == number  # the lowest that is free
    memory.close()
    del memory
    os.fstat(reused)
    os.close(reused)


def test_memory_that_is_dropped_is_closed() -> None:
    before = descriptors()
    memory = SealedMemory.of(b"photo")
    assert descriptors() == before + 1
    del memory
    assert descriptors() == before


def test_memory_that_cannot_be_written_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    before = descriptors()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        SealedMemory.of(b"photo")
    assert descriptors() == before
