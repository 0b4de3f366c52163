"""Assembly of the worker's parts from the settings, and its event loop."""

import asyncio
import logging
import os
import socket
from functools import partial

from service.decoders.handle import ForkServer
from service.decoders.pool import DecoderPool
from service.memory import heap
from service.memory.capacity import Capacity
from service.messages import QUARANTINE
from service.pipeline.engine_health import EngineHealth
from service.pipeline.metrics import WorkerMetrics
from service.pipeline.originals import Originals
from service.pipeline.photo_pipeline import PhotoPipeline
from service.pipeline.queue import Queue
from service.pipeline.readiness import Readiness, RecognizerInterface
from service.recognition.compute.core_count import usable_processors
from service.recognition.engines.device_choice import Tried
from service.sandbox import Restrictions
from service.settings import Settings
from service.worker.confinement import confine_when_warm
from service.worker.recognizer_from_settings import recognizer_from_settings
from service.worker.serving import WorkerParts, serve

log = logging.getLogger(__name__)


def run(connection: socket.socket, settings: Settings, server: ForkServer, restrictions: Restrictions) -> int:
    """Serve a connection, and return the exit status of `serve`, for a process that then exits at once.

    `restrictions` are in force already.
    """
    heap.keep_free(heap.WORKER_KEEPS)
    # Not asyncio.run: it would wait for photos in threads, whose answers can no longer be sent, until a SIGKILL hides
    # the exit status.
    loop = asyncio.new_event_loop()
    return loop.run_until_complete(serve(connection, partial(_parts, settings, server, restrictions)))


def _parts(settings: Settings, server: ForkServer, restrictions: Restrictions, tried: Tried) -> WorkerParts:
    """The parts of the worker. Raises RuntimeError with one line if the settings cannot be met."""
    log.info("loading the networks")
    capacity = Capacity.of(settings, usable_processors())
    decoders = DecoderPool(server, capacity.photos + 1)
    quarantine = os.environ.get(QUARANTINE)
    recognizer = recognizer_from_settings(
        settings, capacity.photos, device_tried=tried, device_quarantine=quarantine
    )
    work = worker_parts(settings, capacity, recognizer, decoders)
    work.confine = partial(confine_when_warm, restrictions)
    return work


def worker_parts(
    settings: Settings, capacity: Capacity, recognizer: RecognizerInterface, decoders: DecoderPool
) -> WorkerParts:
    """The parts of the worker around a recogniser and decoders."""
    readiness = Readiness(recognizer)
    queue = Queue(capacity.photos, capacity.photo_bytes, settings.request_timeout)
    originals = Originals(queue.memory)
    metrics = WorkerMetrics(readiness)
    metrics.watch(queue, originals, decoders)
    pipeline = PhotoPipeline(settings, readiness, decoders, queue, originals, metrics, EngineHealth())
    return WorkerParts(readiness, pipeline, metrics)
