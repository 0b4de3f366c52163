"""The shared libraries that a shared library asks for, read from the file: what is missing can be named, and loaded.

Only the loader says what it lacks, and it says so by loading, which nobody may do with ONNX Runtime's providers before
ONNX Runtime does: they look for their host while they are loaded.
"""

import ctypes
import site
import struct
from pathlib import Path

_MAGIC = b"\x7fELF\x02\x01"
"""64 bits, little endian (elf(5)): every system that there are wheels with providers for."""
_HEADER = struct.Struct("<32xQ14xHH")
"""Of Elf64_Ehdr: e_phoff, e_phentsize, e_phnum."""
_SEGMENT = struct.Struct("<I4xQQ8xQ")
"""Of Elf64_Phdr: p_type, p_offset, p_vaddr, p_filesz."""
_ENTRY = struct.Struct("<qQ")
"""Elf64_Dyn: d_tag, d_val."""
_LOADED, _DYNAMIC = 1, 2
"""PT_LOAD and PT_DYNAMIC."""
_NEEDED, _NAMES = 1, 5
"""DT_NEEDED and DT_STRTAB."""


def needed(library: Path) -> list[str]:
    """Names of the libraries that one asks for, such as `libcudnn.so.9`, in its order.

    Raises:
        ValueError: the file is no such library.
        OSError: it cannot be read.
    """
    with library.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        head = read(0, _HEADER.size)
        if not head.startswith(_MAGIC):
            raise ValueError(f"{library} is no shared library of this kind of system")
        table, size, number = _HEADER.unpack(head)
        segments = [_SEGMENT.unpack_from(read(table + index * size, size)) for index in range(number)]
        entries = [
            entry
            for kind, offset, _, length in segments
            if kind == _DYNAMIC
            for entry in _ENTRY.iter_unpack(read(offset, length))
        ]
        names = next((value for tag, value in entries if tag == _NAMES), 0)
        # The table of names is given by its address once loaded.
        start = next(
            (
                names - address + offset
                for kind, offset, address, length in segments
                if kind == _LOADED and address <= names < address + length
            ),
            0,
        )
        return [_text(read(start + value, _LONGEST_NAME)) for tag, value in entries if tag == _NEEDED]


_LONGEST_NAME = 256


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("ascii")


def load(name: str) -> ctypes.CDLL:
    """A library, loaded for the whole process: the system's, or that of an installed wheel of NVIDIA's.

    Raises:
        OSError: it is nowhere, or lacks something itself.
    """
    try:
        return ctypes.CDLL(name, ctypes.RTLD_GLOBAL)
    except OSError:
        for found in _of_wheels(name):
            return ctypes.CDLL(str(found), ctypes.RTLD_GLOBAL)
        raise


def _of_wheels(name: str) -> list[Path]:
    """Where NVIDIA's wheels (nvidia-cudnn-cu12 and the like) put a library of this name."""
    return [
        found
        for folder in map(Path, site.getsitepackages())
        for found in sorted(folder.glob(f"nvidia/*/lib/{name}"))
    ]
