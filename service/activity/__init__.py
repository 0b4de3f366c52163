"""Activity of the service: its ended photos by minute and by day, the load of the last minutes, the last failures.

Numbers, formats and sentences of this service only: no file names, no contents, no text of a caller.
"""

from service.activity.failures import Failure
from service.activity.log import CLIENT_CLOSED_REQUEST, PHOTO_PATHS, ActivityLog, EndedPhoto
from service.activity.ring import Bucket

__all__ = ["CLIENT_CLOSED_REQUEST", "PHOTO_PATHS", "ActivityLog", "Bucket", "EndedPhoto", "Failure"]
