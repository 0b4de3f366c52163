"""A whole run: parity, throughput and the roofline, then the verdicts, `result.json` and `report.html`."""

import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks.comparing import table
from benchmarks.harness import corpus, facts, gates, plan
from benchmarks.harness.cores import hold_to
from benchmarks.harness.options import PARTS, Options, parse
from benchmarks.harness.results import EXIT, NOTHING_DONE, Result
from benchmarks.harness.running import ServiceDied
from benchmarks.parity import candidates
from benchmarks.parity.baselines import NoRecording
from benchmarks.parity.candidates import Unanswered
from benchmarks.parity.part import ParityPart
from benchmarks.parity.reference import DlibDied
from benchmarks.parity.section import Section
from benchmarks.report.page import page
from benchmarks.roofline import section as roofline
from benchmarks.throughput import cases
from benchmarks.throughput import section as load
from benchmarks.throughput.sides import Remote, Setting
from benchmarks.throughput.workers import WorkerFailed
from conversion.validation import package_photos
from model_store.atomic import atomic_file
from model_store.errors import StoreError
from model_store.manifest import GraphError
from service.recognition.contract import EngineError
from service.recognition.factory import RecognizerError

THROUGHPUT = {"quick": cases.QUICK, "full": cases.FULL}
ROOFLINE_ROUNDS = {"quick": 3, "full": 5}
PACKAGE_PHOTOS = Path(".cache/photos")
SHOWN_PROBLEMS = 20
"""Lines on standard error; the report has the worst of them, drawn."""

INTERRUPTED = 130
SAYING = (
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
"""Errors that say in one line all that there is to say; of others, somebody wants to see where they come from."""


def main(arguments: Sequence[str]) -> int:
    """Run it.

    The exit status: 0 the answers were judged to be the same and nothing is red, or nothing is red of what else was
    asked for; 1 something is red or failed; 2 nothing was measured; 3 the answers could not be judged; 130 interrupted.
    """
    options = parse(arguments)
    gates.rules()  # a mistake in there shows now, and not after an hour
    # SIGTERM too ends what was started, and keeps what was measured.
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
            hold_to(options.threads)
        photos = corpus.read(options.photos or _package_photos())
        remote = _remote(options)
        for folder in (options.out, *([options.record.parent] if options.record else [])):
            folder.mkdir(parents=True, exist_ok=True)
    except (corpus.CorpusError, ValueError, subprocess.CalledProcessError, Unanswered, OSError) as error:
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
    parity = ParityPart(options, photos, result) if "parity" in options.only else None
    start = time.monotonic()
    went = plan.run(list(_parts(options, photos, result, parity, remote)))
    result.seconds = round(time.monotonic() - start, 1)
    if parity is not None:
        try:
            parity.note()
        except Exception as error:
            went.failures.append(error)
    result.complete = went.complete
    found = parity.section if parity is not None else None
    for line in [*map(_said, went.failures), *(_told(found) if found is not None else [])]:
        print(line, file=sys.stderr)
    if not result.figures:
        print("nothing was measured, and nothing is written", file=sys.stderr)
        return NOTHING_DONE
    result.verdicts = gates.verdicts(result, [section for part in options.only for section in PARTS[part]])
    _write(options, result, parity)
    print(_summary(options, result))
    if went.interrupted:
        return INTERRUPTED
    if parity is None and result.status == "abstains":
        return EXIT["green"]
    return EXIT[result.status]


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, SAYING) else "".join(traceback.format_exception(error)).rstrip()


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
) -> Iterator[plan.Part]:
    if parity is not None:
        yield parity.part()
    if "throughput" in options.only:
        todo, setting = THROUGHPUT[options.plan], Setting(options.store, remote)
        if remote is not None:
            todo = cases.against_remote(todo, remote.model)
        open_all = partial(load.steps, todo, photos.photos, setting, result)
        yield plan.Part("opening", load.seconds(todo), open_all)
    if "roofline" in options.only:
        rounds = ROOFLINE_ROUNDS[options.plan]
        open_networks = partial(roofline.steps, rounds, options.store, result)
        yield plan.Part("roofline", roofline.seconds(rounds), open_networks)


def _package_photos() -> Path:
    package_photos.fetch(PACKAGE_PHOTOS)
    return PACKAGE_PHOTOS


def _write(options: Options, result: Result, parity: ParityPart | None) -> None:
    result.save(options.out / "result.json")  # first: it is what cannot be made again
    if parity is not None:
        parity.save()
    worst = parity.section.cases(crops=options.crops) if parity is not None and parity.section else []
    with atomic_file(options.out / "report.html") as file:
        file.write(page(result, worst).encode())


def _told(found: Section) -> Iterator[str]:
    """What differs and what could not be compared, by the photos' names."""
    problems = list(found.problems())
    yield from problems[:SHOWN_PROBLEMS]
    if len(problems) > SHOWN_PROBLEMS:
        yield f"and {len(problems) - SHOWN_PROBLEMS} more differences"
    yield from (f"not compared, undecodable: {line}" for line in found.undecodable)
    if found.unknown:
        yield f"{found.unknown} photos are unknown to the baseline"


def _summary(options: Options, result: Result) -> str:
    """The verdicts, a line each, and where to read more."""
    lines = [(verdict.status, verdict.gate, verdict.says) for verdict in result.verdicts]
    ratios = [(figure.key.name, str(figure)) for figure in result.find(metric="times as fast")]
    end = "" if result.complete else ", before its end: what was not measured has no verdict"
    return "\n".join(
        [
            table(lines),
            *(["", table(ratios)] if ratios else []),
            "",
            f"{result.status} after {result.seconds:.0f} s{end}",
            f"{options.out / 'report.html'} shows it, {options.out / 'result.json'} has the figures",
        ]
    )
