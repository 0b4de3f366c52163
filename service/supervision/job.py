"""A photo in the web process's queue: its bytes, its answer, and its isolation after a worker's death."""

import asyncio
import time
from enum import IntEnum

from service.ipc import SealedMemory
from service.ipc.channel import Channel
from service.messages import Answer, Begun, Photo


class Isolation(IntEnum):
    """Isolation of a photo from others, in the order of the retries after a worker's death."""

    WITH_OTHERS = 0
    ALONE = 1
    ALONE_LOW_MEMORY = 2
    """Alone, to a worker with the low-memory settings."""


class Job:
    """A photo of one request, and the future of its answer.

    Attributes:
        in_progress: the worker has read its header and admitted it.
    """

    def __init__(
        self,
        photo: bytes,
        name: str,
        face: bytes | None,
        *,
        known: bool,
        maximum_area: int,
        request: str = "-",
    ) -> None:
        """`photo` is the encoded image, `name` its file name, `face` the form's part, `maximum_area` in pixels.

        `known`: the face is given, so that no detection runs. `request`: the request's id, for the log.
        """
        encoded_name = name.encode(errors="surrogatepass")
        self._parts = (photo, encoded_name, face or b"")
        self._memory: SealedMemory | None = None
        self._message = Photo(
            number=0,
            size=len(photo),
            name=len(encoded_name),
            face=None if face is None else len(face),
            known=known,
            maximum_area=maximum_area,
            request=request,
        )
        self.number = 0
        """Ascending in order of arrival."""
        self.result: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.begun: Begun | None = None
        """The worker's report that the work has started; None before, and after the worker's death."""
        self.size = len(photo)
        """Bytes of the encoded photo."""
        self.uploaded = time.perf_counter()
        """Time of the complete upload (time.perf_counter)."""
        self._begun_at = self.uploaded
        self.deaths = 0
        """Number of workers that died with this photo in progress, faults of a device left out."""
        self.unrelated_deaths = 0
        """Of these, deaths with a cause other than a photo."""
        self.isolation = Isolation.WITH_OTHERS

    @property
    def in_progress(self) -> bool:
        return self.begun is not None

    @property
    def wait(self) -> float:
        """Seconds from the complete upload to the start of the work."""
        return self._begun_at - self.uploaded

    def seconds_in_work(self) -> float:
        """Seconds since the start of the work; 0 without one."""
        return time.perf_counter() - self._begun_at if self.in_progress else 0.0

    def begin(self, begun: Begun) -> None:
        """Record the start of the work. A retry within the worker does not start it again."""
        if self.begun is None:
            self._begun_at = time.perf_counter()
        self.begun = begun

    def send(self, channel: Channel) -> None:
        """Send the photo; the first call moves its bytes into a memory file. Raises OSError."""
        if self._memory is None:
            self._memory = SealedMemory.of(*self._parts)
            self._parts = (b"", b"", b"")
        channel.send(self._message.model_copy(update={"number": self.number}).head(), memory=self._memory)

    def close(self) -> None:
        """Free the photo's bytes."""
        self._parts = (b"", b"", b"")
        if self._memory is not None:
            self._memory.close()

    def __lt__(self, other: "Job") -> bool:
        return self.number < other.number

    def __str__(self) -> str:
        """Size, format and request for the log: no name, no content."""
        begun = self.begun
        form = f" ({begun.format}, {begun.width} x {begun.height})" if begun else ""
        return f"an image of {self._message.size} bytes{form} of request {self._message.request}"
