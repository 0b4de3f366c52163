"""Machine code of the compiled loops, kept on the disk between two starts.

Numba's own cache reads only what it could also write, which an installed service often may not, and checks no
file. Here a file is found wherever it may be read and is loaded only if it is whole and was made from the sources
as they are now. What else decides about the code, the CPU above all, is part of the file's name: another machine
looks for another file.
"""

import hashlib
import logging
import os
import pickle
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.caching import NullCache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from model_store.atomic import atomic_file
from service.recognition.code_folders import folders

log = logging.getLogger(__name__)

_SEAL_BYTES = hashlib.sha256().digest_size


class KeptCode(NullCache):
    """The compiled forms of one function, in the place of numba's `FunctionCache`.

    Where no folder can be written, code lives as long as the process, and a warning says so once.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._source = Path(function.__code__.co_filename)
        self._name = f"{self._source.stem}.{function.__qualname__}".replace("<locals>", "locals")
        self._folders = folders(self._source.parent)
        # Now, not at the first call: until then, an update may have brought other files.
        self._sources = _sources(self._source.parent)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for these types of arguments, or None. Called by numba."""
        # Code refers to what numba registers here.
        target_context.refresh()
        name = self._file(sig, target_context.codegen())
        for folder in self._folders:
            kept = self._read(folder / name)
            if kept is not None:
                return CompileResult._rebuild(target_context, *pickle.loads(kept))  # type: ignore[no-untyped-call]
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep fresh code in the first folder that can be written. Called by numba."""
        if data.library.has_dynamic_globals:
            raise ValueError(f"{self._name} refers to addresses of this process: its code cannot be kept")
        name = self._file(sig, data.codegen)
        kept: bytes = dumps(data._reduce())  # type: ignore[no-untyped-call]
        sealed = self._seal(kept) + kept
        for folder in self._folders:
            try:
                with atomic_file(folder / name) as file:
                    file.write(sealed)
            except OSError:
                continue
            return
        _warn(self._folders)

    def _file(self, sig: Any, codegen: Any) -> str:
        """The name of the file for these types, on this CPU, by these versions."""
        versions = (numba.__version__, llvmlite.__version__, np.__version__)
        made_for = repr((sig, codegen.magic_tuple(), sys.implementation.cache_tag, versions))
        return f"{self._name}-{hashlib.sha256(made_for.encode()).hexdigest()[:16]}.code"

    def _read(self, path: Path) -> bytes | None:
        """What was kept in a file, or None where it is not there, not for us, damaged, or of other sources."""
        try:
            with path.open("rb") as file:
                owner, sealed = os.fstat(file.fileno()).st_uid, file.read()
            trusted = (0, os.geteuid(), self._source.stat().st_uid)
        except OSError:
            return None
        # The content is run: loaded only from owners whose code runs here anyway.
        if owner not in trusted:
            return None
        seal, kept = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
        return kept if seal == self._seal(kept) else None

    def _seal(self, kept: bytes) -> bytes:
        return hashlib.sha256(self._sources + kept).digest()


@cache
def _sources(folder: Path) -> bytes:
    """Digest of a module's folder and of this one: a loop holds constants and loops of its neighbours."""
    digest = hashlib.sha256()
    for source in sorted({*folder.glob("*.py"), *Path(__file__).parent.glob("*.py")}):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.digest()


@cache
def _warn(folders: tuple[Path, ...]) -> None:
    log.warning(
        "no folder for compiled code (%s) can be written: each start compiles it again, which takes some seconds. "
        "Let NUMBA_CACHE_DIR name a folder that this user can write.",
        ", ".join(map(str, folders)),
    )
