"""Preparation of recognition: checks of settings, machine and weights, memory plan, and launch of the worker process.

Without Starlette, so that a fault of the settings is reported before its slow import.
"""

import logging
import os
from dataclasses import dataclass, replace

from model_store.errors import StoreError
from model_store.models import MODELS
from model_store.store import WeightStore
from service import logs, machine, sandbox
from service.machine import MachineError
from service.memory.capacity import Capacity
from service.memory.largest_photo import MemoryPlan, plan
from service.recognition.compute.core_count import usable_processors
from service.settings import Settings, SettingsError, load, unknown_variables
from service.supervision import Launch, launch_worker
from service.supervision.process import launch_ahead
from service.web import keys
from service.web.keys import KeyRing, NoKey
from service.web.server import open_files

log = logging.getLogger(__name__)

FAULTS = (MachineError, NoKey, SettingsError, StoreError)
"""Errors that the operator can repair: those of `settings.load` and `open_computing`, with a line for each fault."""


@dataclass(frozen=True)
class Computing:
    """Everything that one application needs beside HTTP, checked."""

    settings: Settings
    keys: KeyRing
    capacity: Capacity
    plan: MemoryPlan
    launch: Launch
    """Starts a worker process, from the thread of the event loop."""

    def started_ahead(self) -> "Computing":
        """The same, with the first worker process started now. Raises OSError.

        The calling thread has to live as long as the application: the kernel ends the worker process together with the
        thread that started it (service/ipc/parent_death.py).
        """
        return replace(self, launch=launch_ahead())


def open_from_environment() -> Computing:
    """`open_computing` by the settings of the environment, which also set up the log. Raises FAULTS."""
    settings = load()
    logs.configure(settings.log_level, settings.log_format)
    computing = open_computing(settings)
    model = MODELS[settings.model]
    log.info("model %d: %s; %s", model.number, model.description, computing.capacity.described(settings))
    return computing


def check(settings: Settings) -> KeyRing:
    """The keys, after the checks of the settings on this machine that need no weights. Logs warnings.

    Raises NoKey and MachineError.
    """
    valid = keys.read_keys(settings)
    if settings.api_key is None and keys.is_needlessly_world_readable(settings.api_key_file):
        log.warning("all accounts of this machine can read the key file %s: chmod 600", settings.api_key_file)
    for warning in unknown_variables(os.environ):
        log.warning(warning)
    machine.require(settings)
    machine.log_unused_gpu(settings)
    return KeyRing(valid)


def open_computing(settings: Settings, checked: KeyRing | None = None) -> Computing:
    """Checks of these settings on this machine, and all that an application takes from them. Starts no process yet.

    It raises this process's limit of open files, disables its core files, and logs the plan. Worker processes read the
    settings from the environment again, so that `settings` has to be what `settings.load` reads there.

    Args:
        settings: of the environment.
        checked: the keys, if `check` has run already.

    Raises NoKey, MachineError, and StoreError for a missing or damaged file of weights.
    """
    valid = checked or check(settings)
    weights = WeightStore(settings.store)
    for name in MODELS[settings.model].weights:
        weights.path(name)  # raises StoreError
    open_files.raise_limit()
    sandbox.forbid_core_files()
    capacity = Capacity.of(settings, usable_processors())
    memory_plan = plan(settings, capacity)
    log.info(memory_plan.summary())
    for warning in memory_plan.warnings():
        log.warning(warning)
    return Computing(settings, valid, capacity, memory_plan, launch_worker)
