"""Repairs of failures, by the class of the error, else by the status: one sentence with the setting or the command."""

from collections.abc import Mapping
from types import MappingProxyType

AGAIN = "then `php occ face:reset --image-errors`, and the next job sends the photo again"

BY_ERROR: Mapping[str, str] = MappingProxyType(
    {
        "ImageTooLarge": "Choose a smaller photo size in the app's admin settings, or raise FACE_MAXIMUM_AREA (for "
        f"`/compute` FACE_MAXIMUM_ORIGINAL_AREA); {AGAIN}.",
        "UploadTooLarge": f"Raise FACE_MAXIMUM_UPLOAD, and the limit of a proxy in between; {AGAIN}.",
        "EmptyUpload": f"Free space in Nextcloud's temporary folder, where the app writes the photo; {AGAIN}.",
        "UndecodableImage": "Open the photo, save it again as JPEG, and upload it to Nextcloud; a video or a damaged "
        "file has no repair.",
        "Refused": f"Look for the cause in the service's log; {AGAIN}. If it fails again, save the photo as JPEG.",
        "TimeLimitExceeded": f"Raise REQ_TIMEOUT, or set it to 0 for no limit; {AGAIN}.",
        "TooLittleMemory": "Give the service more memory (FACE_MEMORY, and the limit of its container), or choose a "
        f"smaller photo size in the app's admin settings; {AGAIN}.",
        "NeverReady": "The log of the service says why it cannot start; `face-model check` runs each stage. "
        f"Repair it and start the service; {AGAIN}.",
    }
)
"""Class of the exception that was answered to its repair."""

BY_STATUS: Mapping[int, str] = MappingProxyType(
    {
        400: "The request is no upload of a photo. If it is the app's, a proxy in between changes it: compare its "
        f"limits with the documentation; {AGAIN}.",
        401: "Set the service's key in Nextcloud: `face-model occ` prints the command, `php occ "
        f"config:system:set facerecognition.external_model_api_key --value KEY`; {AGAIN}.",
        408: f"Repair the network between Nextcloud and the service, or raise FACE_PATIENCE; {AGAIN}.",
        412: f"Choose a smaller photo size in the app's admin settings; {AGAIN}.",
        413: f"Raise FACE_MAXIMUM_UPLOAD; {AGAIN}.",
        415: f"Save the photo again as JPEG; {AGAIN}.",
        422: "The face is not in this photo: run `php occ face:migrate` again, or analyse the photo again.",
        500: f"Look for the cause in the service's log, and report it with that log; {AGAIN}.",
        503: f"Look for the cause in the service's log; {AGAIN}.",
    }
)
"""HTTP status to the repair of an error without one of its own."""


def repair(error: str | None, status: int) -> str | None:
    """The repair of an error; None for a status that is no failure of a photo, such as another method (405)."""
    return BY_ERROR.get(error or "") or BY_STATUS.get(status)
