"""Supervision of the worker process by the web process: start, restart, dispatch of photos, and retries.

Recognition has no side effects, so a photo without an answer can be sent to the next worker.
"""

from service.supervision.devices import Quarantine
from service.supervision.dispatch import Dispatch
from service.supervision.job import Job
from service.supervision.outcomes import NeverReady, NotReady, Refused, WorkerFault
from service.supervision.process import WorkerProcess, launch_worker
from service.supervision.supervisor import Launch, OnReady, State, Supervisor

__all__ = [
    "Dispatch",
    "Job",
    "Launch",
    "NeverReady",
    "NotReady",
    "OnReady",
    "Quarantine",
    "Refused",
    "State",
    "Supervisor",
    "WorkerFault",
    "WorkerProcess",
    "launch_worker",
]
