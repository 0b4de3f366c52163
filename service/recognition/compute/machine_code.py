"""An on-disk cache of the compiled loops' machine code: read from any folder, written to the first writable one.

Faults of numba's own cache (`cache=True`), with any locator (found with 0.68.1):
- A damaged file ends every later start with EOFError or UnpicklingError (numba issue 10434). A wrong bit is executed.
- The index is written before the code. A process killed in between leaves old code under the stamp of the new source.
- Files are numbered. If two processes each add a signature at the same time, the code of one runs for the signature of
  the other: f(1.5) was computed as f(1), in later starts too.
- It has one folder, and its failed write fails the call of the loop.
Here a file holds one signature and a checksum over code and sources, and a rename publishes it.
"""

import hashlib
import logging
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

from service.recognition.compute import code_folders, kept_files

log = logging.getLogger(__name__)

_CHECKSUM_BYTES = hashlib.sha256().digest_size


class MachineCode(NullCache):
    """The machine code of one function's signatures, instead of numba's `FunctionCache`.

    If no folder is writable, the code is kept only for this process, and one warning is logged.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        # Hashed now, not at the first call: by then an update may have replaced the files.
        self._sources = sources()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The code for one signature, or None. Called by numba."""
        # The code refers to functions that numba registers here.
        target_context.refresh()
        name = self._file(sig, target_context.codegen())
        for folder in code_folders.folders():
            code = self._read(folder / name)
            if code is not None:
                return CompileResult._rebuild(target_context, *pickle.loads(code))  # type: ignore[no-untyped-call]
        _log_compilation()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Write new code to the first writable folder. Called by numba."""
        if data.library.has_dynamic_globals:
            raise ValueError(f"{self._name} refers to addresses of this process: its code cannot be kept")
        name = self._file(sig, data.codegen)
        code: bytes = dumps(data._reduce())  # type: ignore[no-untyped-call]
        if not kept_files.write_to_first(name, self._checksum(code) + code):
            _warn()

    def _file(self, sig: Any, codegen: Any) -> str:
        """Name of the file for one signature, this CPU and these versions."""
        versions = (numba.__version__, llvmlite.__version__, np.__version__)
        made_for = repr((sig, codegen.magic_tuple(), sys.implementation.cache_tag, versions))
        return f"{self._name}-{hashlib.sha256(made_for.encode()).hexdigest()[:16]}.code"

    def _read(self, path: Path) -> bytes | None:
        """The code in a file; None if it is absent, damaged, of other sources, or of an untrusted owner."""
        content = kept_files.read_trusted(path)
        if content is None:
            return None
        checksum, code = content[:_CHECKSUM_BYTES], content[_CHECKSUM_BYTES:]
        return code if checksum == self._checksum(code) else None

    def _checksum(self, code: bytes) -> bytes:
        return hashlib.sha256(self._sources + code).digest()


@cache
def sources() -> bytes:
    """SHA-256 of all modules of the package (3 ms): a loop contains constants and loops of other modules."""
    digest = hashlib.sha256()
    for source in sorted(code_folders.RECOGNITION_FOLDER.rglob("*.py")):
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.digest()


@cache
def _log_compilation() -> None:
    log.info("compiling loops for this processor: up to 20 seconds")


@cache
def _warn() -> None:
    log.warning(
        "no folder for compiled code (%s) can be written: each start compiles it again, which takes some seconds. "
        "Let NUMBA_CACHE_DIR name a folder that this user can write.",
        ", ".join(map(str, code_folders.folders())),
    )
