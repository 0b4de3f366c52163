"""Benchmark run: parity, throughput and roofline, then verdicts, `result.json` and `report.html`."""

import math
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.harness import corpus, facts, gates, steps
from benchmarks.harness.options import PARTS, Options, parse
from benchmarks.harness.results import EXIT, INTERRUPTED, NOTHING_DONE, Result
from benchmarks.parity import candidates
from benchmarks.parity.baselines import NoRecording
from benchmarks.parity.candidates import Unanswered
from benchmarks.parity.corpus_comparison import CorpusComparison
from benchmarks.parity.part import ParityPart
from benchmarks.parity.reference import DlibDied
from benchmarks.processes.cores import restrict_to
from benchmarks.processes.machine_load import LoadMeter, sampled
from benchmarks.processes.running import ServiceDied
from benchmarks.report.page import page
from benchmarks.report.summary import summary
from benchmarks.roofline import part as roofline
from benchmarks.throughput import part as throughput
from benchmarks.throughput import scenarios
from benchmarks.throughput.sides import Remote, SideOptions
from benchmarks.throughput.workers import WorkerFailed
from conversion.validation import package_photos
from model_store.atomic import atomic_file
from model_store.errors import SourceError, StoreError
from model_store.manifest import GraphError
from service.recognition.contract import EngineError
from service.recognition.factory import RecognizerError

THROUGHPUT = {"quick": scenarios.QUICK, "full": scenarios.FULL}
LIMITS = {"quick": 120.0, "full": math.inf}
"""Time limit of a run in seconds, from its start to its report."""
OTHER_SECONDS = 15.0
"""Share of the limit for what is not a step: loading the libraries, ending the processes, and the report."""
ROOFLINE_ROUNDS = {"quick": 3, "full": 5}
SHOWN_PROBLEMS = 20
"""Number of differences on standard error; the report shows the worst of them."""

ONE_LINE_ERRORS = (
    NoRecording,
    Unanswered,
    DlibDied,
    ServiceDied,
    WorkerFailed,
    StoreError,
    GraphError,
    EngineError,
    RecognizerError,
    ModuleNotFoundError,
    OSError,
)
"""Errors whose message is complete; all others are printed with their traceback."""


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks and return the exit status, one of `options.EXIT_STATUSES`."""
    options = parse(arguments)
    gates.rules()  # a mistake in gates.toml shows now and not after an hour
    # SIGTERM stops the child processes and keeps the figures, as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(options)
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(options: Options) -> int:
    try:
        if options.threads:
            restrict_to(options.threads)
        photos = corpus.read(options.photos or _package_photos(options.cache / "photos"))
        remote = _remote(options)
        for folder in (options.out, *([options.record.parent] if options.record else [])):
            folder.mkdir(parents=True, exist_ok=True)
    except (corpus.CorpusError, ValueError, SourceError, Unanswered, OSError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    result = Result(made=datetime.now(UTC).isoformat(timespec="seconds"), plan=options.plan)
    result.facts = {
        "machine": facts.machine(),
        "versions": facts.libraries(),
        "corpus": facts.photos(photos),
        "settings": facts.settings(),
        "run": {"command": options.command},
    }
    average, before, meter = facts.load_average(), sampled(), LoadMeter()
    parity = ParityPart(options, photos, result) if "parity" in options.only else None
    limit = LIMITS[options.plan]
    start = time.monotonic()
    outcome = steps.run(list(_parts(options, photos, result, parity, remote)), limit - OTHER_SECONDS)
    result.seconds = round(time.monotonic() - start, 1)
    result.facts["load"] = facts.load(average, before, meter.read())
    result.facts["run"] |= _time_facts(limit, outcome.left_out)
    if parity is not None:
        try:
            parity.note()
        except Exception as error:
            outcome.failures.append(error)
    result.complete = outcome.complete
    found = parity.comparison if parity is not None else None
    for line in [*map(_message, outcome.failures), *(_differences(found) if found is not None else [])]:
        print(line, file=sys.stderr)
    if not result.figures:
        print("nothing was measured; no result was written", file=sys.stderr)
        return NOTHING_DONE
    result.verdicts = gates.verdicts(result, [section for part in options.only for section in PARTS[part]])
    _write(options, result, parity)
    print(summary(result))
    print(f"Report: {options.out / 'report.html'}; figures: {options.out / 'result.json'}")
    if outcome.interrupted:
        return INTERRUPTED
    if parity is None and result.status == "abstains":
        return EXIT["green"]
    return EXIT[result.status]


def _time_facts(limit: float, left_out: Sequence[str]) -> facts.Facts:
    """Time limit, and what was left out for it, at least in part: labels of steps up to the last colon."""
    if math.isinf(limit):
        return {}
    names = dict.fromkeys(label.rpartition(": ")[0] for label in left_out)
    return {facts.TIME_LIMIT: limit, facts.LEFT_OUT: "; ".join(names) or facts.NOTHING}


def _message(error: Exception) -> str:
    return (
        str(error)
        if isinstance(error, ONE_LINE_ERRORS)
        else "".join(traceback.format_exception(error)).rstrip()
    )


def _remote(options: Options) -> Remote | None:
    if not options.beside:
        return None
    return Remote(options.beside, options.key, candidates.model_of(options.beside))


def _parts(
    options: Options,
    photos: corpus.Corpus,
    result: Result,
    parity: ParityPart | None,
    remote: Remote | None,
) -> Iterator[steps.Part]:
    if parity is not None:
        yield parity.part()
    if "throughput" in options.only:
        plan, sides = THROUGHPUT[options.plan], SideOptions(options.store, remote)
        if remote is not None:
            plan = scenarios.against_remote(plan, remote.model)
        open_sides = partial(throughput.steps, plan, photos.photos, sides, result)
        yield steps.Part("opening", throughput.seconds(plan), open_sides)
    if "roofline" in options.only:
        rounds = ROOFLINE_ROUNDS[options.plan]
        open_networks = partial(roofline.steps, rounds, options.store, result)
        yield steps.Part("roofline", roofline.seconds(rounds), open_networks)


def _package_photos(folder: Path) -> Path:
    package_photos.fetch(folder)
    return folder


def _write(options: Options, result: Result, parity: ParityPart | None) -> None:
    result.save(options.out / "result.json")  # first: the report can be rendered again from it
    if parity is not None:
        parity.save()
    discrepancies = (
        parity.comparison.discrepancies(crops=options.crops)
        if parity is not None and parity.comparison
        else []
    )
    with atomic_file(options.out / "report.html") as file:
        file.write(page(result, discrepancies).encode())


def _differences(found: CorpusComparison) -> Iterator[str]:
    """Differences, and photos that could not be compared, by name."""
    problems = list(found.problems())
    yield from problems[:SHOWN_PROBLEMS]
    if len(problems) > SHOWN_PROBLEMS:
        yield f"and {len(problems) - SHOWN_PROBLEMS} more differences"
    yield from (f"not compared, undecodable: {line}" for line in found.undecodable)
    if found.unknown:
        yield f"{found.unknown} photos have no answers in the baseline"
