"""All loops are compiled before the first photo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT

PROGRAM = """
import sys
from pathlib import Path

import cv2
from numba.core.registry import CPUDispatcher

from service.images import decoding
from model_store.models import MODELS
from service.recognition.factory import open_recognizer


def forms():
    modules = [module for name, module in sys.modules.items() if name.startswith("service.recognition")]
    loops = {id(loop): loop for module in modules for loop in vars(module).values() if isinstance(loop, CPUDispatcher)}
    return sum(len(loop.signatures) for loop in loops.values())


model, store, *photos = sys.argv[1:]
recognizer = open_recognizer(MODELS[int(model)], Path(store))
recognizer.warm_up()
before = forms()
faces = 0
for path in photos:
    photo = decoding.decode(Path(path).read_bytes(), maximum_area=10**8, honour_orientation=True)
    # Large enough for HOG to search around the face alone, and once not contiguous in memory.
    for picture in (photo, cv2.resize(photo, None, fx=3, fy=3), photo[:, ::-1]):
        faces += len(recognizer.recognize(picture))
recognizer.close()
print(before, forms(), faces)
"""


@pytest.mark.parametrize("model", [*(pytest.param(model, marks=pytest.mark.slow) for model in (1, 2)), 3, 4])
def test_no_photo_compiles_a_loop(model: int, store: Path, photos: dict[str, Path]) -> None:
    given = [str(photos[name]) for name in ("astronaut.png", "chelsea.png")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(model), str(store), *given],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    before, after, faces = map(int, done.stdout.split())
    assert before == after > 0
    assert faces >= 3
