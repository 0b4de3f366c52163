"""What can be wrong with an image that a client sent."""


class UndecodableImage(Exception):
    """The bytes are no image that this service reads: of another kind, truncated or corrupt (HTTP 415)."""


class ImageTooLarge(Exception):
    """The image has more pixels than allowed (HTTP 412). Raised on the header alone, before any pixel is decoded."""

    def __init__(self, width: int, height: int, limit: int) -> None:
        super().__init__(
            f"The image is {width} x {height} = {width * height} pixels, the limit is {limit}: scale it down first."
        )
        self.width = width
        self.height = height
        self.limit = limit
