"""The face model as a Python object: images in, faces out, without the HTTP service."""

import operator
import os
import shlex
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from model_store.errors import StoreError
from model_store.manifest import GraphError
from model_store.models import model_of
from model_store.store import default_root
from service.images.reading import ImageSource, read
from service.recognition.contract import Stage
from service.recognition.factory import RecognizerError, open_recognizer
from service.recognition.geometry import Rectangle
from service.recognition.recognizer import Face
from service.recognition.rgb_image import validated
from service.settings import MAXIMUM_ORIGINAL

PACKAGES = Path(__file__).parents[1]
"""Folder of the package `service`: a checkout, or a site-packages folder."""

Provider: TypeAlias = Literal["auto", "cpu", "cuda", "webgpu", "openvino"]
"""Value of FACE_PROVIDERS."""
Precision: TypeAlias = Literal["auto", "float32", "mixed"]
"""Value of FACE_PRECISION."""
Box: TypeAlias = tuple[int, int, int, int]
"""left, top, right, bottom in pixels of the image, all edges inclusive; a `Rectangle` is one."""


class FaceModel:
    """A model of the Nextcloud app: finds the faces of an image, with landmarks and descriptors.

    >>> from service import FaceModel
    >>> with FaceModel(4) as model:
    ...     for face in model.detect("photo.jpg"):
    ...         print(face.box, f"{face.confidence:.2f}", face.grouped)
    Rectangle(left=..., top=..., right=..., bottom=...) 1.0... True

    The answers are those of the service's `/detect` and `/compute`. Safe to call from many threads at once. Encoded
    images are decoded in the calling process, without the sandbox and the limits of memory and time that the service
    has: for hostile files, use the service.

    Args:
        number: number of the model, the value of FACE_MODEL.
        store: folder of the weights and graphs. None: FACE_STORE, or `models` in the working directory, or else in the
            checkout that this package is part of.
        provider: ONNX Runtime's provider. `auto` takes a GPU that gives the CPU's values in clearly less time, and the
            CPU otherwise.
        threads: cores of each image; 0: all cores for a single one, a share of them for each of several.
        workers: number of threads that call at the same time: as many dlib processes replace a stage that fails.
        precision: number format of the CNN detector. Each gives the faces of float32.
        maximum_area: largest encoded image, in pixels.
        honour_orientation: turn a photo upright, as Nextcloud does.

    Raises:
        ValueError: there is no such model, provider or precision.
        RecognizerError: the store is incomplete, or the provider cannot be used. One line, with the remedy.
    """

    def __init__(
        self,
        number: int = 4,
        *,
        store: str | os.PathLike[str] | None = None,
        provider: Provider = "auto",
        threads: int = 0,
        workers: int = 1,
        precision: Precision = "auto",
        maximum_area: int = MAXIMUM_ORIGINAL,
        honour_orientation: bool = True,
    ) -> None:
        try:
            model = model_of(number)
        except ValueError as error:
            raise ValueError(f"FaceModel({number!r}) is not possible: {error}") from None
        self._maximum_area = maximum_area
        self._honour_orientation = honour_orientation
        # Absolute: dlib loads weights later, when the working directory may be another one.
        folder = (_default_store() if store is None else Path(store)).absolute()
        try:
            self._recognizer = open_recognizer(
                model, folder, workers=workers, threads=threads, provider=provider, precision=precision
            )
        except RecognizerError as error:
            if not isinstance(error.__cause__, StoreError | GraphError):
                raise
            raise RecognizerError(
                f"{folder} does not hold the valid files of model {number}: {_making(folder, number)}"
            ) from error
        self._number = number
        self._is_closed = False
        self._closing = threading.Lock()

    def detect(self, image: ImageSource) -> list[Face]:
        """The faces of an image, in descending confidence.

        Args:
            image: a path; the bytes of an encoded image, or a binary file of them; a Pillow image; or an array, RGB
                (OpenCV's is BGR: `image[:, :, ::-1]`), uint8, shape (rows, columns, 3). An array is taken as upright.

        Raises:
            TypeError, ValueError: no image, or an array of another dtype or shape.
            OSError: the file cannot be read.
            UndecodableImage: the file is no image, or damaged.
            ImageTooLarge: it has more than `maximum_area` pixels.
            EngineError: a stage failed, and in dlib too.
            DeviceFault: an EngineError of a GPU that is lost. Use `provider="cpu"`, or the GPU in a new process.
            MemoryError: there is too little memory for the pixels.
        """
        return self._recognizer.recognize(self._pixels(image))

    def describe(self, image: ImageSource, boxes: Sequence[Box]) -> list[Face]:
        """The faces in given boxes, in their order, without detection; their confidence is 1.

        >>> from service import FaceModel
        >>> with FaceModel(4) as model:
        ...     (face,) = model.detect("photo.jpg")
        ...     (again,) = model.describe("photo.jpg", [face.box])
        >>> face.distance(again) < 1e-5
        True

        Args:
            image: as for `detect`.
            boxes: left, top, right, bottom of each face in pixels of the upright image. A box may reach over the
                border.

        Raises:
            ValueError: a box is empty, or outside of the image. Further errors: as `detect`.
        """
        pixels = self._pixels(image)
        return self._recognizer.recognize(pixels, [_rectangle(box, pixels) for box in boxes])

    def stages(self) -> Mapping[str, Stage]:
        """Engine, provider and precision of each stage: whether a GPU computes, and whether dlib had to replace one."""
        return self._recognizer.stages()

    def close(self) -> None:
        """End the threads and processes. Later calls raise ValueError."""
        with self._closing:
            if not self._is_closed:
                self._is_closed = True
                self._recognizer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"FaceModel({self._number}{', closed' if self._is_closed else ''})"

    def _pixels(self, image: ImageSource) -> NDArray[np.uint8]:
        if self._is_closed:
            raise ValueError("this FaceModel is closed")
        pixels = read(image, maximum_area=self._maximum_area, honour_orientation=self._honour_orientation)
        return validated(pixels)


def _default_store() -> Path:
    """FACE_STORE, or a store in the working directory, or else the checkout's."""
    here = default_root()
    return here if os.environ.get("FACE_STORE") or (here / "weights").is_dir() else PACKAGES / "models"


def _making(store: Path, number: int) -> str:
    """The command that makes a store ready for a model."""
    checkout = PACKAGES if (PACKAGES / "Makefile").exists() else "the project's folder"
    variables = "" if store == PACKAGES / "models" else f"FACE_STORE={shlex.quote(str(store))} "
    return f"run `{variables}FACE_MODEL={number} make convert` in {checkout}"


def _rectangle(box: Box, image: NDArray[np.uint8]) -> Rectangle:
    try:
        left, top, right, bottom = map(operator.index, box)
    except (TypeError, ValueError):
        raise ValueError(f"a box is four whole numbers, left, top, right and bottom, not {box!r}") from None
    if right <= left or bottom <= top:
        raise ValueError(f"the box {box} is empty: it is left, top, right and bottom, in this order")
    rectangle = Rectangle(left, top, right, bottom)
    rows, columns = image.shape[:2]
    if not rectangle.intersects(Rectangle(0, 0, columns - 1, rows - 1)):
        raise ValueError(f"the box {box} is outside of the image, which has {columns} x {rows} pixels")
    return rectangle
