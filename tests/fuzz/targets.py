"""Table of all fuzz targets: every function that reads bytes from outside of its process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.fuzz import file_targets, image_targets, message_targets, request_targets
from tests.fuzz.target import Target

CORPUS = Path(__file__).parent / "corpus"

TARGETS: Mapping[str, Target] = MappingProxyType(
    {
        **image_targets.TARGETS,
        **request_targets.TARGETS,
        **message_targets.TARGETS,
        **file_targets.TARGETS,
    }
)


def corpus_of(name: str) -> list[Path]:
    """Files of a target's corpus, sorted by name."""
    return sorted((CORPUS / name).iterdir())
