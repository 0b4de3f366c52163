"""Part of the check of one provider: its steps, in the order of `plan`, which fill its record."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.gpu_check import plan
from benchmarks.gpu_check.measures import answers, device_memory, photos
from benchmarks.gpu_check.measures.loads import Loads, Uploads
from benchmarks.gpu_check.measures.services import started
from benchmarks.gpu_check.redaction import public
from benchmarks.gpu_check.schema import Memory, ProviderRecord, ShortMemory
from benchmarks.harness.steps import Need, Part, Step
from benchmarks.parity.decoded_photos import Photo
from benchmarks.processes import process_tree
from service.images.app_uploads import scaled
from service.recognition.ort.providers import CPU, CUDA
from service.settings import MINIMUM_GPU_MEMORY

LARGE = 4.0
"""Megapixels of a photo that does not fit into the least FACE_GPU_MEMORY as a whole."""
NO_LIMIT = "not tried: FACE_GPU_MEMORY limits CUDA alone"
"""Memory that the check would hold on another device may be the machine's own."""
SHAPE_MEGAPIXELS = 0.2
"""Mean of `photos.SHAPES`."""


@dataclass(frozen=True)
class Subject:
    """Photos of the check, and the store.

    Args:
        expected: photos for parity, and the answers to compare with; the CPU's own part adds the CPU's.
        store: the model store's root.
        uploads: photos of the loads.
        shapes: photos of the memory test.
        loads: of the comparison with the CPU.
        models: FACE_MODEL numbers to compare; the first is that of the loads and of all other measurements.
    """

    expected: answers.Expected
    store: Path
    uploads: Uploads
    shapes: list[bytes]
    loads: plan.Loads
    models: tuple[int, ...] = plan.MODELS


class ProviderPart:
    """Measurements of one provider, noted in its record."""

    def __init__(self, record: ProviderRecord, subject: Subject) -> None:
        self._record = record
        self._subject = subject
        self._is_cpu = record.name == CPU.name

    def part(self) -> Part:
        """Part for `steps.run`."""
        with ExitStack() as stack:
            seconds = sum(step.seconds for step in self._steps(stack) if step.need < Need.MAY)
        return Part(self._record.name, seconds, lambda stack: list(self._steps(stack)))

    def _steps(self, stack: ExitStack) -> Iterator[Step]:
        subject = self._subject
        loads = Loads(stack, self._record, subject.store, subject.uploads, subject.models[0])
        compared = plan.compared_seconds(len(subject.expected.photos), on_cpu=self._is_cpu)
        for model in subject.models:
            compare = partial(self._compare, model, plan.FLOAT32)
            yield self._step(f"model {model}", compared, compare, Need.MUST)
        # The CPU's is always compared: without dlib, it is the only verdict on the CPU.
        need = Need.MUST if self._is_cpu else Need.VERDICT
        mixed = partial(self._compare, subject.models[0], plan.MIXED)
        yield self._step(f"model {subject.models[0]} in mixed precision", compared, mixed, need)
        yield from self._loads(loads, plan.FLOAT32, subject.loads.of(on_cpu=self._is_cpu))
        yield from self._memory(loads)
        if not self._is_cpu:
            short = partial(self._short, loads)
            yield self._step("without enough device memory", compared, short, Need.VERDICT)
            yield from self._loads(loads, plan.MIXED, subject.loads.in_mixed)

    def _step(self, label: str, seconds: float, run: Callable[[], object], need: Need) -> Step:
        """A step whose error is noted as the failure of the provider, and ends its part."""

        def noted() -> None:
            try:
                run()
            except Exception as error:
                self._record.failure = f"{label}: {public(str(error) or repr(error))}"
                raise

        return Step(f"{self._record.name}, {label}", seconds, noted, need)

    def _compare(self, model: int, precision: str) -> None:
        expected = self._subject.expected
        with started(self._record, model, precision, self._subject.store) as running:
            found = answers.answers(running.candidate, expected.photos)
        if self._is_cpu and precision == plan.FLOAT32:
            expected.cpu[model] = found
        self._record.parity += expected.compared(model, precision, found, is_cpu=self._is_cpu)

    def _loads(self, loads: Loads, precision: str, chosen: tuple[plan.Load, ...]) -> Iterator[Step]:
        for round_ in plan.rounds(chosen):
            label = f"{round_.load} in {precision}: round {round_.number + 1}"
            yield self._step(label, round_.load.seconds, partial(loads.round, precision, round_), round_.need)

    def _memory(self, loads: Loads) -> Iterator[Step]:
        for number in range(plan.PASSES):
            need = Need.VERDICT if number < plan.NEEDED_PASSES else Need.SHOULD
            seconds = plan.photo_seconds(SHAPE_MEGAPIXELS) * len(self._subject.shapes)
            label = f"memory: pass {number + 1} of {plan.PASSES}"
            yield self._step(label, seconds, partial(self._memory_pass, loads), need)

    def _memory_pass(self, loads: Loads) -> None:
        """Send each shape once, and note the memory after it."""
        running, shapes = loads.service(plan.FLOAT32), self._subject.shapes
        for shape in shapes:
            answers.answered(running.candidate, shape)
        memory = self._record.memory or Memory(shapes=len(shapes))
        self._record.memory = memory
        memory.photos += len(shapes)
        memory.source, used = device_memory.used(running.service.worker_pid)
        memory.device += [] if used is None else [round(used, 1)]
        memory.resident.append(round(process_tree.resident_memory(running.service.process.pid), 1))

    def _short(self, loads: Loads) -> None:
        """Compare answers for large photos under the least FACE_GPU_MEMORY with the CPU's."""
        if self._record.name != CUDA.name:
            self._record.short_memory = ShortMemory(skipped=NO_LIMIT)
            return
        large = [
            Photo(photo.name, scaled(photo.image, LARGE))
            for photo in self._subject.expected.photos[: photos.NUMBER_OF_PORTRAITS]
        ]
        expected = answers.answers(loads.on_cpu().candidate, large)
        limited = ProviderRecord(name=self._record.name)
        memory = str(MINIMUM_GPU_MEMORY)
        with started(
            limited, self._subject.models[0], plan.FLOAT32, self._subject.store, FACE_GPU_MEMORY=memory
        ) as running:
            found = answers.answers(running.candidate, large)
        self._record.short_memory = ShortMemory(
            skipped=limited.unused,
            limit=MINIMUM_GPU_MEMORY / device_memory.MEBIBYTE,
            on_cpu=limited.on_cpu,
            parity=answers.compare(large, self._subject.models[0], plan.FLOAT32, "cpu", found, expected),
        )
