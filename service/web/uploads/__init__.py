"""Uploads: reading a photo from a multipart request, within a byte budget and above a minimum rate."""

from service.web.uploads.budget import UploadBudget, UploadShare
from service.web.uploads.form import (
    EmptyUpload,
    MalformedUpload,
    Stalled,
    Upload,
    UploadTooLarge,
    read_upload,
    size_of,
)

__all__ = [
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
