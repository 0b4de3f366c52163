"""Dlib as the reference of validation, run in a subprocess (dlib_process.py)."""

import io
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from conversion.validation.dlib_process import NOT_INSTALLED
from service.recognition.synthetic_pictures import Picture

_SCRIPT = Path(__file__).with_name("dlib_process.py")


class DlibUnavailableError(Exception):
    """Dlib is not installed, or the processor lacks an instruction that it needs."""


class DlibError(Exception):
    """Dlib failed, for instance on a weight file that it does not accept."""


def dlib_version() -> str:
    """Version of the installed dlib, such as '20.0.1'. Raises DlibUnavailableError or DlibError."""
    return _run("version").decode()


def descriptors(weights: Path, chips: Sequence[Picture]) -> NDArray[np.float64]:
    """Dlib's descriptors of chips of 150x150, (N, 128). Raises DlibUnavailableError or DlibError."""
    return _result("descriptors", weights, chips)


def detections(weights: Path, pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Dlib's CNN detections: rows of picture number, left, top, right, bottom, confidence, in descending confidence.

    Raises DlibUnavailableError or DlibError.
    """
    return _result("detections", weights, pictures)


def frontal_faces(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Faces of dlib's HOG detector, which is part of dlib: rows of picture number, left, top, right, bottom.

    Raises DlibUnavailableError or DlibError.
    """
    return _result("frontal", Path(), pictures)


def landmarks(weights: Path, pictures: Sequence[Picture], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Dlib's landmarks, (faces, points, 2), of faces given as rows of picture number, left, top, right, bottom.

    Raises DlibUnavailableError or DlibError.
    """
    return _result("landmarks", weights, [*pictures, faces])


def frontal_scores(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Faces of dlib's HOG detector at thresholds lowered by `dlib_process.SCORES_FROM`.

    Rows of picture number, left, top, right, bottom, score, part. Raises DlibUnavailableError or DlibError.
    """
    return _result("frontal_scores", Path(), pictures)


def frontal_file() -> bytes:
    """File of dlib's HOG face detector, saved by dlib. Raises DlibUnavailableError or DlibError."""
    return _result("frontal_file", Path(), []).astype(np.uint8).tobytes()


def _result(task: str, weights: Path, pictures: Sequence[NDArray[Any]]) -> NDArray[Any]:
    file = io.BytesIO()
    arrays: dict[str, Any] = {f"picture_{number}": picture for number, picture in enumerate(pictures)}
    np.savez(file, **arrays)
    with np.load(io.BytesIO(_run(task, str(weights), stdin=file.getvalue()))) as answer:
        result: NDArray[Any] = answer["result"]
    return result


def _run(*arguments: str, stdin: bytes = b"") -> bytes:
    # -P: without the script's folder in sys.path, whose modules would shadow installed packages.
    done = subprocess.run([sys.executable, "-P", _SCRIPT, *arguments], input=stdin, capture_output=True)
    if done.returncode == 0:
        return done.stdout
    reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    if done.returncode == NOT_INSTALLED:
        raise DlibUnavailableError(f"dlib is not installed ({reason}): pip install '.[dlib]'")
    if done.returncode == -signal.SIGILL:
        raise DlibUnavailableError("dlib cannot run on this processor, which lacks an instruction it needs")
    raise DlibError(f"dlib failed with status {done.returncode}: {reason}")
