"""Uploads: reading a photo from a multipart request, within a byte budget and above a minimum rate."""

from service.web.uploads.budget import UploadBudget, UploadShare
from service.web.uploads.form import (
    PHOTO_FIELD,
    EmptyUpload,
    MalformedUpload,
    Stalled,
    Upload,
    UploadTooLarge,
    read_upload,
    size_of,
)

__all__ = [
    "PHOTO_FIELD",
    "EmptyUpload",
    "MalformedUpload",
    "Stalled",
    "Upload",
    "UploadBudget",
    "UploadShare",
    "UploadTooLarge",
    "read_upload",
    "size_of",
]
