"""Versions of the service, of Python and of the libraries, for comparing two installations."""

import platform
import tomllib
from importlib import metadata
from pathlib import Path

DISTRIBUTION = "accelerated-face-model"

LIBRARIES: dict[str, tuple[str, ...]] = {
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu"),
    "onnxruntime_ep_webgpu": ("onnxruntime-ep-webgpu",),
    "onnxruntime_ep_openvino": ("onnxruntime-ep-openvino",),
    "dlib": ("dlib-bin", "dlib"),
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python"),
    "pillow": ("pillow",),
    "starlette": ("starlette",),
    "uvicorn": ("uvicorn",),
}
"""Library to the distributions that may contain it."""


def own_version() -> str:
    """Version of this service: of the checkout that contains it, else of the installed package."""
    project = Path(__file__).parent.parent / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version(DISTRIBUTION)


def versions() -> dict[str, str | None]:
    """Versions of the service, of Python and of LIBRARIES; None for a library that is not installed."""
    installed = {
        library: next((version for name in names if (version := _version(name))), None)
        for library, names in LIBRARIES.items()
    }
    return {"service": own_version(), "python": platform.python_version(), **installed}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
