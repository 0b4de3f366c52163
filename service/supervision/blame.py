"""Blame for a worker's death: a photo that was in progress is isolated, and refused if it is the cause.

It is sent again, alone. If that worker dies too, the photo is the cause, and is refused with 415. If memory was
exhausted, a worker with the low-memory settings tries it before it is refused with 503.
"""

from service.messages import TOO_LITTLE_MEMORY
from service.supervision.deaths import Death
from service.supervision.job import Isolation, Job
from service.supervision.outcomes import Refused

MAXIMUM_UNRELATED = 10
"""Number of unrelated deaths with a photo in progress after which its isolation is raised, and at the last level the
photo is refused: thirty in all. A guard of the memory in user space, such as earlyoom, kills because of a photo, and
looks like any other process. Ten alone prove nothing: on an overloaded machine that takes as long to start a worker as
passes between two kills, the oldest photos are in progress at each of them."""


def blame(job: Job, death: Death) -> Refused | None:
    """Count a death for a photo that was in progress. Raises its isolation if that may help, or returns its refusal."""
    job.deaths += 1
    job.unrelated_deaths += death.unrelated
    if death.unrelated and job.unrelated_deaths % MAXIMUM_UNRELATED:
        return None
    for_memory = death.out_of_memory or death.unrelated
    if job.isolation == Isolation.WITH_OTHERS or (job.isolation == Isolation.ALONE and for_memory):
        job.isolation = Isolation(job.isolation + 1)
        return None
    if for_memory:
        return Refused(503, TOO_LITTLE_MEMORY, "TooLittleMemory")
    return Refused(415, f"The image ended the process that computes faces, twice ({death.cause}).")
