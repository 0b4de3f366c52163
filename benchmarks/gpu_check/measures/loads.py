"""Loads of a provider against the CPU, in alternating rounds: both services run, and one of them computes."""

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures.services import Running, callers_of, started
from benchmarks.gpu_check.schema import ProviderRecord, Speed
from benchmarks.throughput.workers import Worker
from service.recognition.ort.providers import CPU

Uploads = Mapping[float, Sequence[bytes]]
"""Encoded photos by megapixels."""


class Loads:
    """Services of the loads, opened on first use and closed with the stack.

    Args:
        stack: closes them.
        record: of the provider.
        store: the model store's root.
        uploads: photos of the loads.
        model: FACE_MODEL of the services.
    """

    def __init__(
        self, stack: ExitStack, record: ProviderRecord, store: Path, uploads: Uploads, model: int
    ) -> None:
        self._stack = stack
        self._record = record
        self._store = store
        self._uploads = uploads
        self._model = model
        self._open: dict[str, tuple[Running, Worker]] = {}

    def service(self, precision: str) -> Running:
        """The provider's service in this precision."""
        return self._side(self._record, precision)[0]

    def on_cpu(self) -> Running:
        """The CPU's service with default settings."""
        return self._cpu()[0]

    def round(self, precision: str, round_: plan.Round) -> None:
        """Measure one round: provider and CPU, in reverse order in every second round."""
        load, speed = round_.load, self._speed(precision, round_.load)
        different = self._uploads[load.megapixels]
        photos = list(itertools.islice(itertools.cycle(different), load.photos))
        sides = [self._side(self._record, precision)[1], self._cpu()[1]]
        if not speed.rates:  # shapes that are new to a device take longer once
            for side in sides:
                side.trial(photos[: len(different)], load.callers)
        order = sides if round_.number % 2 == 0 else sides[::-1]
        trials = {side: side.trial(photos, load.callers) for side in order}
        speed.failed += sum(len(trial.failures) for trial in trials.values())
        rates = [round(trials[side].photos_per_second, 3) for side in sides]
        speed.rates.append(rates[0])
        speed.cpu_rates.append(rates[1])

    def _speed(self, precision: str, load: plan.Load) -> Speed:
        key = (precision, load.megapixels, load.callers)
        for speed in self._record.speed:
            if (speed.precision, speed.megapixels, speed.callers) == key:
                return speed
        made = Speed(
            precision=precision, megapixels=load.megapixels, callers=load.callers, photos=load.photos
        )
        self._record.speed.append(made)
        return made

    def _cpu(self) -> tuple[Running, Worker]:
        return self._side(ProviderRecord(name=CPU.name), plan.AUTO)

    def _side(self, record: ProviderRecord, precision: str) -> tuple[Running, Worker]:
        key = f"{record.name} {precision}"
        if key not in self._open:
            running = self._stack.enter_context(started(record, self._model, precision, self._store))
            self._open[key] = (running, self._stack.enter_context(callers_of(running)))
        return self._open[key]
