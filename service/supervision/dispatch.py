"""Queue of photos for the worker: first in, first out, within a window, and once more after a worker's death.

A photo that was in work when the worker died is sent again, alone: the worker has nothing else then. If that worker
dies too, the photo is the cause. It is refused with 415; or with 503 where memory was exhausted, and was exhausted
again in a worker that takes as little as possible.
"""

import asyncio
import itertools
import logging
from bisect import insort
from collections.abc import Callable

from service.ipc import SealedMemory
from service.ipc.channel import Channel
from service.messages import (
    TOO_LITTLE_MEMORY,
    Answered,
    Begun,
    Cancel,
    Ended,
    Faulted,
    Photo,
    RefusedPhoto,
)
from service.supervision.deaths import Death
from service.supervision.outcomes import Refused, WorkerFault

log = logging.getLogger(__name__)

WINDOW = 64
"""Photos that the worker has at a time, most of which wait for memory there: far more than it works on. Each takes a
descriptor in both processes."""

MAXIMUM_DEATHS = 10
"""Deaths of workers that had a photo in work, after which it counts as the cause, unrelated as each may seem."""

WITH_OTHERS, ALONE, ALONE_LOW_MEMORY = range(3)
"""How a photo is sent: beside others, alone, or alone to a worker that takes as little memory as possible."""


class Job:
    """A photo that needs an answer.

    Attributes:
        in_progress: its header is read, and the worker has admitted it.
    """

    def __init__(
        self, photo: bytes, name: str, face: bytes | None, *, known: bool, maximum_area: int
    ) -> None:
        """`photo` is the encoded image, `name` its file name, `face` the form's part, `maximum_area` in pixels.

        `known`: the face is given, and none is to be detected.
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
        )
        self.number = 0
        """Ascending in the order of arrival."""
        self.result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.begun: Begun | None = None
        self.deaths = 0
        """Workers that died with this photo in work."""
        self.level = WITH_OTHERS

    @property
    def in_progress(self) -> bool:
        return self.begun is not None

    def send(self, channel: Channel) -> None:
        """Sends the photo; the first time, its bytes move into a memory file."""
        if self._memory is None:
            self._memory = SealedMemory.of(*self._parts)
            self._parts = (b"", b"", b"")
        channel.send(self._message.model_copy(update={"number": self.number}).head(), memory=self._memory)

    def close(self) -> None:
        """Frees the photo's bytes."""
        self._parts = (b"", b"", b"")
        if self._memory is not None:
            self._memory.close()

    def __lt__(self, other: "Job") -> bool:
        return self.number < other.number

    def __str__(self) -> str:
        """The photo for the log: no name, no content."""
        size = f"an image of {self._message.size} bytes"
        return (
            f"{size} ({self.begun.format}, {self.begun.width} x {self.begun.height})" if self.begun else size
        )


class Dispatch:
    """The photos of a web process. For one event loop.

    Attributes:
        blamed: photos in a row that were refused as the cause of a worker's death, with no answer in between.
    """

    def __init__(self, resent: Callable[[Death], None], replace: Callable[[], None]) -> None:
        """`resent` is called for each photo that is to be sent again; `replace` ends the worker for another one."""
        self._resent = resent
        self._replace = replace
        self._numbers = itertools.count(1)
        self._waiting: list[Job] = []
        self._suspects: list[Job] = []
        """Photos to be sent alone. No other is sent before them."""
        self._sent: dict[int, Job] = {}
        self._channel: Channel | None = None
        self._low_memory = False
        self._failure: Exception | None = None
        self.blamed = 0

    @property
    def waiting(self) -> int:
        """Photos that are not with the worker."""
        return len(self._waiting) + len(self._suspects)

    @property
    def needs_low_memory(self) -> bool:
        """Whether the next photo is for a worker that takes as little memory as possible."""
        return bool(self._suspects) and self._suspects[0].level == ALONE_LOW_MEMORY

    async def answer(self, job: Job) -> bytes:
        """The answer as JSON. Cancelled, the work ends as soon as it can.

        Raises Refused, WorkerFault, or what `fail` was called with.
        """
        if self._failure is not None:
            raise self._failure
        job.number = next(self._numbers)
        self._waiting.append(job)
        try:
            self._send()
            return await job.result
        finally:
            self._leave(job)

    def connected(self, channel: Channel, *, low_memory: bool) -> None:
        """Begins to send photos to a worker."""
        self._channel, self._low_memory = channel, low_memory
        self._send()

    def disconnected(self) -> None:
        """Sends no more photos until another worker is connected."""
        self._channel = None

    def begun(self, message: Begun) -> None:
        """Notes that a photo is in work."""
        if job := self._sent.get(message.number):
            job.begun = message

    def ended(self, message: Ended, body: bytes) -> None:
        """Takes the last message about a photo."""
        job = self._sent.pop(message.number, None)
        if job is None:
            return
        job.close()
        if not job.result.done():
            match message:
                case Answered():
                    self.blamed = 0
                    job.result.set_result(body)
                case RefusedPhoto():
                    job.result.set_exception(Refused(message.status, message.reason))
                case Faulted():
                    job.result.set_exception(WorkerFault(message.reason))
                case _:  # Cancelled, of a photo whose caller has not hung up
                    job.result.set_exception(WorkerFault("the worker has given the image up"))
        self._send()

    def died(self, death: Death, *, ready: bool) -> bool:
        """Takes back the photos of a worker that died, and returns whether it had any.

        `ready`: it had been warm, so that a photo may be the cause.
        """
        sent, self._sent = list(self._sent.values()), {}
        in_progress = [job for job in sent if job.in_progress] or sent
        for job in sent:
            blamed = ready and job in in_progress and self._is_cause(job, death)
            if job.result.done() or blamed:
                job.close()
            else:
                self._put_back(job)
                self._resent(death)
            job.begun = None
        return bool(sent)

    def fail(self, failure: Exception) -> None:
        """Ends all photos, now and later, with an exception."""
        self._failure = failure
        for job in (*self._waiting, *self._suspects, *self._sent.values()):
            if not job.result.done():
                job.result.set_exception(failure)

    def _is_cause(self, job: Job, death: Death) -> bool:
        """Whether a photo that was in work is refused; if not, its next level is set."""
        job.deaths += 1
        if job.result.done() or (death.unrelated and job.deaths < MAXIMUM_DEATHS):
            return False
        if job.level == WITH_OTHERS or (job.level == ALONE and death.out_of_memory):
            job.level += 1
            return False
        self.blamed += 1
        log.error("%s ended the worker %d times, and is refused: %s", job, job.deaths, death.cause)
        if death.out_of_memory:
            refusal = Refused(503, TOO_LITTLE_MEMORY)
        else:
            refusal = Refused(415, f"The image ended the process that computes faces, twice ({death.cause}).")
        job.result.set_exception(refusal)
        return True

    def _leave(self, job: Job) -> None:
        """Forgets a photo that is answered, or whose caller has hung up."""
        if job.number in self._sent:
            # Until the worker says that the work is over, the photo may be the cause of a death.
            if self._channel is not None:
                self._channel.send(Cancel(number=job.number).head())
            return
        for queue in (self._waiting, self._suspects):
            if job in queue:
                queue.remove(job)
        job.close()
        self._send()

    def _send(self) -> None:
        while self._channel is not None and (job := self._next()):
            if job.result.done():  # `_leave` follows
                continue
            try:
                job.send(self._channel)
            except OSError as error:
                if not self._postponed(job, error):
                    continue
                return
            self._sent[job.number] = job

    def _put_back(self, job: Job) -> None:
        insort(self._suspects if job.level else self._waiting, job)

    def _postponed(self, job: Job, error: OSError) -> bool:
        """Whether a photo for which no memory file can be made waits until another one has its answer.

        Each that is sent has a descriptor and memory, and gives them back. Where none is sent, it is refused.
        """
        log.warning("%s cannot be sent to the worker now: %s", job, error.strerror)
        if self._sent:
            self._put_back(job)
            return True
        job.result.set_exception(Refused(503, f"The service has no place for the image: {error.strerror}."))
        return False

    def _next(self) -> Job | None:
        """The photo to send now, taken from its queue."""
        if self._suspects or self._low_memory:
            if self._sent:
                return None
            if self.needs_low_memory != self._low_memory:
                self._channel = None
                self._replace()
                return None
            return self._suspects.pop(0)
        alone = any(job.level for job in self._sent.values())
        if alone or not self._waiting or len(self._sent) >= WINDOW:
            return None
        return self._waiting.pop(0)
