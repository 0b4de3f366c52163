"""Modules for processes that do not decode load no image library."""

import subprocess
import sys

import pytest

from service.images.decoding import DECODERS
from service.images.memory import FORMATS

HEAVY = "numpy", "cv2", "PIL", "pillow_heif"

PROGRAM = """
import importlib, sys
importlib.import_module(sys.argv[1])
print(*sys.modules, sep="\\n")
"""


def loaded_by(module: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, module], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["service.images", "service.images.errors", "service.images.memory"])
def test_a_module_without_image_libraries(module: str) -> None:
    modules = loaded_by(module)
    assert module in modules
    assert not modules & set(HEAVY)


def test_the_side_of_the_decoders_that_gets_the_pixels() -> None:
    assert not loaded_by("service.decoders.pool") & {"cv2", "PIL", "pillow_heif"}


def test_decoding_loads_them() -> None:
    assert set(HEAVY) <= loaded_by("service.images.decoding")


def test_every_format_has_a_decoder() -> None:
    assert DECODERS.keys() == FORMATS
