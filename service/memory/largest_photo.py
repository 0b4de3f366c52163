"""Largest photo that fits under the memory limit, and the log lines about it at the start of the service.

The limit that counts here is the kernel's: it kills a process that exceeds the limit of its control group, or the
memory of the machine. FACE_MEMORY is a budget for concurrent photos, which a single photo may exceed. If `/open`
advertises a smaller area than the app's setting, the app stops with a message before it sends anything. So no photo is
marked as failed.
"""

from bisect import bisect_right
from dataclasses import dataclass

from model_store.models import MODELS
from service.images.memory import Header, decoding_bytes
from service.memory.capacity import (
    CONTAINER_SHARE,
    KEPT_BY_PHOTO,
    RESIDENT,
    Capacity,
    hard_limit,
)
from service.recognition import memory
from service.settings import Settings

MEBIBYTE = 1024**2

AT_REST = 208 * MEBIBYTE
"""Bytes that the kernel cannot reclaim, of all processes before the first photo: 186 to 192 MiB for models 1, 3 and 4.
The worker has 140 of them, the web process 30, and the fork server of the decoders 23."""
LIBRARIES_IN_MEMORY = 64 * MEBIBYTE
"""Bytes of libraries and weights in constant use. The kernel can reclaim them, and the process then waits for the disk.
With 58 MiB left it did not wait. With 7 MiB left, the next photo caused an out-of-memory kill (model 4, 3.6 and 4.2
megapixels, limit 512 MiB). The reserve also covers the compilation of the loops at a first start, which takes 63 MiB
that the kernel cannot reclaim."""
KEPT_FOR_FACES = 10 * MEBIBYTE
"""Bytes; the part of KEPT_BY_PHOTO for a model without the CNN detector."""

ENCODED = {"image/jpeg": 1, "image/png": 3}
"""Upper bound of an upload's bytes per pixel, by its media type. A JPEG of quality 80 has 0.1 to 0.5."""

ROUND = 128 * MEBIBYTE
"""Bytes; recommended limits are rounded up to a multiple of it."""

MINIMUM_AREA = 640 * 480
"""Pixels; the smallest analysis area of the app (MINIMUM_ANALYSIS_IMAGE_AREA in its SettingsService.php)."""

AREA_SLACK = 1 / 16
"""Share of the advertised area that the app's rounding may add. The app scales a photo to that area and rounds both
sides up, which adds about (w + h) / (w·h). This is less than a sixteenth for every photo whose shorter side has at
least 17 pixels."""


@dataclass(frozen=True)
class MemoryPlan:
    """Areas and memory of the largest photo: areas in pixels, memory in bytes of all processes together."""

    limit: int
    """Memory limit of the kernel, which kills a process beyond it."""
    budget: int | None
    """FACE_MEMORY, if it is set."""
    configured_area: int
    """FACE_MAXIMUM_AREA, set or default."""
    is_set: bool
    """True if FACE_MAXIMUM_AREA is set, and therefore advertised in any case."""
    photo: int
    """Peak with a photo of the configured area in `/detect`."""
    sufficient_limit: int
    """Memory limit with which a photo of the configured area fits, a multiple of ROUND."""
    fitting_area: int
    """Largest advertised area for which every photo fits; 0 if there is none."""
    configured_original: int
    """FACE_MAXIMUM_ORIGINAL_AREA."""
    original: int
    """Peak with an original of that area in `/compute`."""
    fitting_original: int
    """Largest area of an original that fits."""

    @property
    def fits(self) -> bool:
        """True if a photo of the configured area fits."""
        return self.fitting_area >= self.configured_area

    @property
    def advertised_area(self) -> int:
        """The `maximum_area` of `/open`."""
        if self.is_set or self.fits:
            return self.configured_area
        return self.recommended_area

    @property
    def accepted_area(self) -> int:
        """Largest area that `/detect` accepts: the advertised area and the app's rounding."""
        return with_slack(self.advertised_area)

    @property
    def recommended_area(self) -> int:
        """The fitting area, but at least the smallest that the app can be set to."""
        return min(max(self.fitting_area, MINIMUM_AREA), self.configured_area)

    def summary(self) -> str:
        """One line: the memory that is needed, and the areas that fit."""
        return (
            f"memory limit {_mebibytes(self.limit)}. /detect: {_mebibytes(self.photo)} for a photo of "
            f"{_megapixels(self.configured_area)}, {_megapixels(self.fitting_area)} fit. /compute: "
            f"{_mebibytes(self.original)} for an original of {_megapixels(self.configured_original)}, "
            f"{_megapixels(self.fitting_original)} fit"
        )

    def warnings(self) -> list[str]:
        """One line each: a photo over the kernel's limit, with remedies, and a photo over FACE_MEMORY."""
        return [sentence for sentence in (self._over_limit(), self._over_budget()) if sentence]

    def _over_budget(self) -> str | None:
        if self.budget is None or self.photo <= self.budget:
            return None
        return (
            f"FACE_MEMORY of {_mebibytes(self.budget)} is below the {_mebibytes(self.photo)} of a photo of "
            f"{_megapixels(self.configured_area)}: such a photo is computed alone, and exceeds it"
        )

    def _over_limit(self) -> str | None:
        if self.fits:
            return None
        consequence = (
            "FACE_MAXIMUM_AREA is set, so /open advertises it, and the kernel may kill the worker for such a photo"
            if self.is_set
            else f"/open advertises {self.advertised_area} pixels instead (FACE_MAXIMUM_AREA overrides that)"
        )
        return (
            f"a photo of {_megapixels(self.configured_area)} needs {_mebibytes(self.photo)}, over the memory limit of "
            f"{_mebibytes(self.limit)}: {consequence}. Raise the limit to {_mebibytes(self.sufficient_limit)}, or "
            "lower the app's analysis area: php occ config:app:set facerecognition analysis_image_area "
            f"--value {self.recommended_area}"
        )


def plan(settings: Settings, capacity: Capacity, limit: int | None = None) -> MemoryPlan:
    """The plan for a memory limit in bytes, by default that of the kernel."""
    limit = hard_limit() if limit is None else limit
    model = MODELS[settings.model]
    kept = of_photo = 0
    if settings.engine == "onnx":
        # SCRATCH_KEPT includes the memory kept for one photo (measured with one caller, up to 8.8 megapixels).
        of_photo = KEPT_BY_PHOTO if model.detector == "cnn" else KEPT_FOR_FACES
        kept = (memory.SCRATCH_KEPT if model.detector == "cnn" else 0) + of_photo * (capacity.at_once - 1)
    recognizing = memory.recognition_bytes if settings.engine == "onnx" else memory.dlib_recognition_bytes

    def peak(area: int, mimetype: str, known: bool) -> int:
        decoding = decoding_bytes(Header(area, 1, "JPEG"))
        working = max(decoding, recognizing(model, 1, area, known=known))
        return AT_REST + LIBRARIES_IN_MEMORY + kept + working + ENCODED[mimetype] * area

    def with_photo(area: int) -> int:
        return peak(with_slack(area), settings.preferred_mimetype, known=False)

    def with_original(area: int) -> int:
        return peak(area, "image/jpeg", known=True)

    def sufficient() -> int:
        """A memory limit in bytes with which a photo of the configured area fits, a multiple of ROUND.

        A higher limit allows more concurrent photos, which take a part of it: `Capacity.of` gives them at most half of
        the budget.
        """
        alone = with_photo(largest) - of_photo * (capacity.at_once - 1)
        with_all = alone + of_photo * (capacity.most_at_once - 1)
        if settings.memory is None:
            with_all = min(
                with_all, int((alone - (RESIDENT + memory.SCRATCH_KEPT) / 2) / (1 - CONTAINER_SHARE / 2))
            )
        return -(-max(with_all, alone) // ROUND) * ROUND

    largest, largest_original = settings.maximum_area, settings.maximum_original_area
    return MemoryPlan(
        limit=limit,
        budget=settings.memory,
        configured_area=largest,
        is_set="maximum_area" in settings.model_fields_set,
        photo=with_photo(largest),
        sufficient_limit=sufficient(),
        fitting_area=bisect_right(range(1, largest + 1), limit, key=with_photo),
        configured_original=largest_original,
        original=with_original(largest_original),
        fitting_original=bisect_right(range(1, largest_original + 1), limit, key=with_original),
    )


def with_slack(area: int) -> int:
    """`area`, and the pixels that the app's rounding may add (AREA_SLACK)."""
    return area + int(area * AREA_SLACK)


def _megapixels(area: int) -> str:
    return f"{area / 1e6:.1f} megapixels"


def _mebibytes(size: int) -> str:
    return f"{-(-size // MEBIBYTE):,} MiB"
