"""dlib as the reference that graphs are compared with, in a process of its own."""

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
from conversion.validation.pictures import Picture

_SCRIPT = Path(__file__).with_name("dlib_process.py")


class DlibUnavailableError(Exception):
    """dlib is not installed, or this processor cannot run it."""


class DlibError(Exception):
    """dlib runs here but failed, for instance on a weight file that it does not accept."""


def dlib_version() -> str:
    """The installed dlib, such as '20.0.1'. Raises DlibUnavailableError or DlibError."""
    return _run("version").decode()


def descriptors(weights: Path, chips: Sequence[Picture]) -> NDArray[np.float64]:
    """dlib's descriptors, (N, 128), of chips of 150x150. Raises DlibUnavailableError or DlibError."""
    return _ask("descriptors", weights, chips)


def detections(weights: Path, pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """dlib's CNN detections: rows of picture number, left, top, right, bottom, confidence, the surest first.

    Raises DlibUnavailableError or DlibError.
    """
    return _ask("detections", weights, pictures)


def frontal_faces(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Faces of dlib's HOG detector, which needs no weights: rows of picture number, left, top, right, bottom.

    Raises DlibUnavailableError or DlibError.
    """
    return _ask("frontal", Path(), pictures)


def landmarks(weights: Path, pictures: Sequence[Picture], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """dlib's landmarks, (faces, points, 2), of faces as rows of picture number, left, top, right, bottom.

    Raises DlibUnavailableError or DlibError.
    """
    return _ask("landmarks", weights, [*pictures, faces])


def frontal_scores(pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """What dlib's HOG detector sees at thresholds lowered by `dlib_process.SCORES_FROM`.

    Rows of picture number, left, top, right, bottom, score, part. Raises DlibUnavailableError or DlibError.
    """
    return _ask("frontal_scores", Path(), pictures)


def frontal_file() -> bytes:
    """dlib's HOG face detector as dlib itself saves it. Raises DlibUnavailableError or DlibError."""
    return _ask("frontal_file", Path(), []).astype(np.uint8).tobytes()


def _ask(task: str, weights: Path, pictures: Sequence[NDArray[Any]]) -> NDArray[Any]:
    given = io.BytesIO()
    arrays: dict[str, Any] = {f"picture_{number}": picture for number, picture in enumerate(pictures)}
    np.savez(given, **arrays)
    with np.load(io.BytesIO(_run(task, str(weights), given=given.getvalue()))) as answer:
        result: NDArray[Any] = answer["result"]
    return result


def _run(*arguments: str, given: bytes = b"") -> bytes:
    # -P: the script's folder must not come before the installed packages.
    done = subprocess.run([sys.executable, "-P", _SCRIPT, *arguments], input=given, capture_output=True)
    if done.returncode == 0:
        return done.stdout
    reason = (done.stderr.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    if done.returncode == NOT_INSTALLED:
        raise DlibUnavailableError(f"dlib is not installed ({reason}): pip install '.[dlib]'")
    if done.returncode == -signal.SIGILL:
        raise DlibUnavailableError("dlib cannot run on this processor, which lacks an instruction it needs")
    raise DlibError(f"dlib failed with status {done.returncode}: {reason}")
