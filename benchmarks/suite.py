"""A whole run: parity, throughput and the roofline, then the verdicts, `result.json` and `report.html`."""

import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from benchmarks import corpus, facts, gates, package_photos, plan, roofline
from benchmarks.comparing import table
from benchmarks.cores import hold_to, threads
from benchmarks.options import PARTS, Options, parse
from benchmarks.parity import candidates
from benchmarks.parity.baselines import NoRecording
from benchmarks.parity.candidates import Unanswered
from benchmarks.parity.part import ParityPart
from benchmarks.parity.section import Section
from benchmarks.report.page import page
from benchmarks.results import Result, Status
from benchmarks.running import ServiceDied
from benchmarks.throughput import cases
from benchmarks.throughput import section as load
from benchmarks.throughput.sides import Remote, Setting
from benchmarks.throughput.workers import WorkerFailed
from model_store.atomic import atomic_file
from model_store.errors import StoreError
from model_store.manifest import GraphError
from service.recognition.engines.protocol import EngineError
from service.recognition.opening import RecognizerError

THROUGHPUT = {"quick": cases.QUICK, "full": cases.FULL}
ROOFLINE_ROUNDS = {"quick": 3, "full": 5}
PACKAGE_PHOTOS = Path(".cache/photos")
SHOWN_PROBLEMS = 20
"""Lines on standard error; the report has the worst of them, drawn."""

EXIT: Mapping[Status, int] = {"green": 0, "abstains": 0, "red": 1}
NOTHING_DONE = 2
INTERRUPTED = 130

FAILURES = (
    NoRecording,
    Unanswered,
    corpus.CorpusError,
    ServiceDied,
    WorkerFailed,
    StoreError,
    GraphError,
    EngineError,
    RecognizerError,
    BrokenProcessPool,
    ModuleNotFoundError,
)
"""What says in one line all that there is to say."""


def main(arguments: Sequence[str]) -> int:
    """Run it. The exit status: 0 nothing is red, 1 something is or failed, 2 nothing was measured, 130 interrupted."""
    options = parse(arguments)
    try:
        if options.threads:
            hold_to(options.threads)
        photos = corpus.read(options.photos or _package_photos())
    except (corpus.CorpusError, ValueError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    result = Result(made=datetime.now(UTC).isoformat(timespec="seconds"), plan=options.plan)
    result.facts = {
        "machine": facts.machine(),
        "versions": facts.libraries(),
        "corpus": facts.photos(photos),
        "run": {"command": options.command},
    }
    parity = ParityPart(options, photos, result) if "parity" in options.only else None
    failure = _measure(_parts(options, photos, result, parity), result)
    if parity is not None:
        parity.note()
    if failure:
        print(failure, file=sys.stderr)
    found = parity.section if parity is not None else None
    if found is not None:
        _tell(found)
    if not result.figures:
        print("nothing was measured, and nothing is written", file=sys.stderr)
        return NOTHING_DONE
    result.verdicts = gates.verdicts(result, [section for part in options.only for section in PARTS[part]])
    _write(options, result, found)
    print(_summary(options, result))
    if result.complete:
        return EXIT[result.status]
    return EXIT["red"] if failure else INTERRUPTED


def _measure(parts: Iterable[plan.Part], result: Result) -> str:
    """Run all of it. What failed, to be printed; empty: nothing did, though it may have been interrupted.

    Whatever it is, an hour's figures are not lost to it.
    """
    start = time.monotonic()
    try:
        result.complete = plan.run(list(parts))
    except FAILURES as error:
        return str(error)
    except Exception:
        return traceback.format_exc()
    finally:
        result.seconds = round(time.monotonic() - start, 1)
    return ""


def _parts(
    options: Options, photos: corpus.Corpus, result: Result, parity: ParityPart | None
) -> Iterator[plan.Part]:
    if parity is not None:
        yield parity.part()
    if "throughput" in options.only:
        todo, setting = THROUGHPUT[options.plan], Setting(options.store)
        if options.beside:
            remote = Remote(options.beside, options.key, candidates.model_of(options.beside))
            todo, setting = cases.against_remote(todo, remote.model), Setting(options.store, remote)
        open_all = partial(load.steps, todo, photos.photos, setting, result)
        yield plan.Part("opening", load.seconds(todo), open_all)
    if "roofline" in options.only:
        rounds = ROOFLINE_ROUNDS[options.plan]
        open_networks = partial(roofline.steps, rounds, options.store, threads(), result)
        yield plan.Part("roofline", roofline.seconds(rounds), open_networks)


def _package_photos() -> Path:
    package_photos.fetch(PACKAGE_PHOTOS)
    return PACKAGE_PHOTOS


def _write(options: Options, result: Result, found: Section | None) -> None:
    result.save(options.out / "result.json")
    worst = found.cases(crops=options.crops) if found is not None else []
    with atomic_file(options.out / "report.html") as file:
        file.write(page(result, worst).encode())


def _tell(found: Section) -> None:
    """What differs and what could not be compared, by the photos' names."""
    problems = list(found.problems())
    lines = problems[:SHOWN_PROBLEMS]
    if len(problems) > len(lines):
        lines.append(f"and {len(problems) - len(lines)} more differences")
    lines += [f"not compared, undecodable: {line}" for line in found.undecodable]
    if found.unknown:
        lines.append(f"{found.unknown} photos are unknown to the baseline")
    for line in lines:
        print(line, file=sys.stderr)


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
