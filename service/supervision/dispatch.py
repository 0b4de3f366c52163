"""FIFO queue of photos for the worker, with a window of unanswered photos and a retry after a worker's death.

Photos in progress when the worker died are sent again, alone; `blame` refuses one that is the cause.
"""

import itertools
import logging
from bisect import insort
from collections.abc import Callable

from service.ipc.channel import Channel
from service.messages import (
    Answer,
    Answered,
    Begun,
    Cancel,
    Ended,
    Faulted,
    RefusedPhoto,
)
from service.supervision.blame import blame
from service.supervision.deaths import Death
from service.supervision.job import Isolation, Job
from service.supervision.outcomes import Refused, WorkerFault

log = logging.getLogger(__name__)

WINDOW = 64
"""Maximum number of unanswered photos at the worker. Most of them wait for memory there: the worker processes far
fewer at a time. Each takes a descriptor in both processes."""


class Dispatch:
    """Dispatch of all photos of a web process. For one event loop.

    Attributes:
        blamed: consecutive photos refused as the cause of a worker's death, with no answer in between.
    """

    def __init__(self, resent: Callable[[Death], None], replace: Callable[[], None]) -> None:
        """`resent` is called for each photo that is to be sent again; `replace` restarts the worker."""
        self._resent = resent
        self._replace = replace
        self._numbers = itertools.count(1)
        self._waiting: list[Job] = []
        self._suspects: list[Job] = []
        """Photos to be sent alone, before all others."""
        self._sent: dict[int, Job] = {}
        self._channel: Channel | None = None
        self._low_memory = False
        self._ends_when_idle = False
        self._failure: Exception | None = None
        self.blamed = 0

    @property
    def waiting(self) -> int:
        """Number of photos that are not at the worker."""
        return len(self._waiting) + len(self._suspects)

    @property
    def needs_low_memory(self) -> bool:
        """True if the next photo requires a worker with the low-memory settings."""
        return bool(self._suspects) and self._suspects[0].isolation == Isolation.ALONE_LOW_MEMORY

    @property
    def in_work(self) -> int:
        """Number of photos whose work has started."""
        return sum(job.in_progress for job in self._sent.values())

    @property
    def not_in_work(self) -> int:
        """Number of photos whose work has not started, at the worker or not."""
        return self.waiting + len(self._sent) - self.in_work

    async def answer(self, job: Job) -> Answer:
        """Queue a photo and wait for its answer. Cancellation ends its processing as soon as possible.

        The times of the answer include `wait`: from the complete upload to the start of the work.

        Raises Refused, WorkerFault, or the exception given to `fail`.
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
        """Start sending photos to a worker."""
        self._channel, self._low_memory = channel, low_memory
        self._send()

    def disconnected(self) -> None:
        """Stop sending photos until another worker is connected."""
        self._channel = None
        self._ends_when_idle = False

    def replace_when_idle(self) -> None:
        """Replace the present or starting worker once it has no photo. Until then it gets no further one.

        The others lose little: the worker ends its photos at full speed, WINDOW at most, and they were to wait for
        these anyway. So no load postpones the replacement.
        """
        self._ends_when_idle = True
        self._send()

    def begun(self, message: Begun) -> None:
        """Record that processing of a photo has started."""
        if job := self._sent.get(message.number):
            job.begin(message)

    def ended(self, message: Ended, body: bytes) -> None:
        """Handle the last message about a photo."""
        job = self._sent.pop(message.number, None)
        if job is None:
            return
        job.close()
        if not job.result.done():
            match message:
                case Answered():
                    self.blamed = 0
                    waited = {"wait": 1000 * job.wait}
                    job.result.set_result(Answer(body, message.milliseconds | waited, message.faces))
                case RefusedPhoto():
                    job.result.set_exception(Refused(message.status, message.reason, message.error))
                case Faulted():
                    job.result.set_exception(WorkerFault(message.reason))
                case _:  # Cancelled, of a photo whose caller has not hung up
                    job.result.set_exception(WorkerFault("the worker has cancelled the image"))
        self._send()

    def died(self, death: Death, *, may_blame: bool) -> bool:
        """Requeue or refuse the photos of a dead worker, and return True if it had any.

        `may_blame`: a photo may be the cause, since the worker was warm and its device has not failed.
        """
        sent, self._sent = list(self._sent.values()), {}
        in_progress = [job for job in sent if job.in_progress] or sent
        for job in sent:
            if may_blame and job in in_progress:
                self._blame(job, death)
            if job.result.done():
                job.close()
            else:
                job.begun = None
                self._requeue(job)
                self._resent(death)
        return bool(sent)

    def fail(self, failure: Exception) -> None:
        """Fail all photos, present and later ones, with an exception."""
        self._failure = failure
        for job in (*self._waiting, *self._suspects, *self._sent.values()):
            if not job.result.done():
                job.result.set_exception(failure)

    def _blame(self, job: Job, death: Death) -> None:
        """Isolate a photo that was in progress, or refuse it as the cause."""
        if job.result.done() or (refusal := blame(job, death)) is None:
            return
        self.blamed += 1
        log.error("%s ended the worker %d times, and is refused: %s", job, job.deaths, death.cause)
        job.result.set_exception(refusal)

    def _leave(self, job: Job) -> None:
        """Remove a photo that is answered, or whose caller has hung up."""
        if job.number in self._sent:
            # Until the worker reports the end of its processing, the photo may still be the cause of a death.
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
                if not self._postpone(job, error):
                    continue
                return
            self._sent[job.number] = job

    def _requeue(self, job: Job) -> None:
        insort(self._suspects if job.isolation else self._waiting, job)

    def _postpone(self, job: Job, error: OSError) -> bool:
        """Requeue a photo for which no memory file can be made (returns True), or refuse it if none will be freed.

        Each photo at the worker holds a descriptor and memory, and frees them with its answer.
        """
        log.warning("%s cannot be sent to the worker now: %s", job, error.strerror)
        if self._sent:
            self._requeue(job)
            return True
        job.result.set_exception(Refused(503, f"The service cannot store the image: {error.strerror}."))
        return False

    def _next(self) -> Job | None:
        """Pop the photo to send now; None if none may be sent."""
        if self._suspects or self._low_memory or self._ends_when_idle:
            if self._sent:
                return None
            if self._ends_when_idle or self.needs_low_memory != self._low_memory:
                self._channel = None
                self._replace()
                return None
            return self._suspects.pop(0)
        alone = any(job.isolation for job in self._sent.values())
        if alone or not self._waiting or len(self._sent) >= WINDOW:
            return None
        return self._waiting.pop(0)
