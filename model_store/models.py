"""The models by FACE_MODEL number: detector, landmark predictor and descriptor network; and the names of all files.

The numbers are those of the Nextcloud app and of the upstream external model. Weights are named as in `catalog.toml`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

CNN_DETECTOR = "mmod_human_face_detector"
SCANNING_DETECTOR = "mmod_human_face_detector.scan"
"""Another graph of the same weights, for a CPU: a scan in int8 (conversion/graphs/scan.py)."""
FLOAT16_SCANNING_DETECTOR = "mmod_human_face_detector.scan-float16"
"""A third graph of these weights, for a device: a scan in float16 (conversion/graphs/scan_float16.py)."""
FIVE_POINTS = "shape_predictor_5_face_landmarks"
SIXTY_EIGHT_POINTS = "shape_predictor_68_face_landmarks"
DLIB_RESNET = "dlib_face_recognition_resnet_model_v1"
TAGUCHI_RESNET = "taguchi_face_recognition_resnet_model_v1"

GRAPHS = (
    CNN_DETECTOR,
    SCANNING_DETECTOR,
    FLOAT16_SCANNING_DETECTOR,
    DLIB_RESNET,
    TAGUCHI_RESNET,
)
"""Networks, converted to ONNX graphs."""
GPU_GRAPHS = frozenset({FLOAT16_SCANNING_DETECTOR})
"""Graphs that only a GPU runs."""
LANDMARK_POINTS: Mapping[str, int] = MappingProxyType({FIVE_POINTS: 5, SIXTY_EIGHT_POINTS: 68})
"""Landmark predictors, converted to arrays: number of points by name."""


def weights_of(graph: str) -> str:
    """Catalogue name (without a dot) of the weights that a converted file is made from."""
    return graph.partition(".")[0]


@dataclass(frozen=True)
class Model:
    """One FACE_MODEL: detector, landmark predictor, descriptor network, and confirmation by HOG or not."""

    number: int
    description: str
    detector: Literal["cnn", "hog"]
    landmarks: str
    network: str
    confirmed_by_hog: bool = False

    @property
    def uses_hog(self) -> bool:
        return self.detector == "hog" or self.confirmed_by_hog

    @property
    def weights(self) -> tuple[str, ...]:
        """Catalogue names of the model's weights (the HOG filters are part of dlib, and of this service)."""
        detector = (CNN_DETECTOR,) if self.detector == "cnn" else ()
        return (*detector, self.landmarks, self.network)


MODELS: Mapping[int, Model] = MappingProxyType(
    {
        model.number: model
        for model in (
            Model(1, "CNN detector, 5 landmarks", "cnn", FIVE_POINTS, DLIB_RESNET),
            Model(
                2,
                "CNN detector, 68 landmarks (their weights are not for commercial use)",
                "cnn",
                SIXTY_EIGHT_POINTS,
                DLIB_RESNET,
            ),
            Model(3, "HOG detector, 5 landmarks", "hog", FIVE_POINTS, DLIB_RESNET),
            Model(4, "CNN detector confirmed by HOG, 5 landmarks", "cnn", FIVE_POINTS, DLIB_RESNET, True),
            Model(6, "as 4, with the Taguchi network", "cnn", FIVE_POINTS, TAGUCHI_RESNET, True),
        )
    }
)


def model_of(number: int) -> Model:
    """The model of a number. Raises ValueError, which lists the models."""
    if number in MODELS:
        return MODELS[number]
    choices = "; ".join(f"{model.number} ({model.description})" for model in MODELS.values())
    note = "5 is the app's number for every external model; " if number == 5 else ""
    raise ValueError(f"{note}the models are {choices}")
