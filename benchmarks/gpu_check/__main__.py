"""Command line: `python -m benchmarks.gpu_check` checks this machine, `... table` writes the table of devices seen."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.gpu_check import devices_seen, plan, run, verdicts
from benchmarks.gpu_check.page import page
from benchmarks.gpu_check.schema import GpuCheck, load
from benchmarks.harness.results import INTERRUPTED, NOTHING_DONE, NoResult
from benchmarks.harness.text_table import text_table
from benchmarks.report.readme import NoMarks
from model_store.atomic import atomic_file
from model_store.errors import SourceError, StoreError
from model_store.store import default_root
from service.recognition.ort.providers import CPU, PROVIDERS

JSON, HTML = "gpu-check.json", "gpu-check.html"
EPILOG = f"""\
`... report FILE` renders the page of a {JSON} again, and `... table` writes the table of devices seen.

exit status:
  0    all that was compared held
  1    an answer differs, a photo failed, or device memory grows
  2    nothing or not all could be run: a service did not start, or a named provider cannot be used
  130  interrupted; what was measured until then is in both files
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command, and return the exit status."""
    commands = {"table": _table, "report": _report}
    command = commands.get(arguments[0]) if arguments else None
    return command(arguments[1:]) if command else _check(arguments)


def _check(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Check each execution provider of this machine against its CPU and dlib: answers, speed, memory.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "--out", type=Path, default=Path("gpu-check"), metavar="FOLDER", help="default: gpu-check"
    )
    parser.add_argument(
        "--providers",
        nargs="+",
        choices=tuple(PROVIDERS),
        default=(),
        metavar="NAME",
        help=f"of {', '.join(PROVIDERS)}; default: all",
    )
    parser.add_argument("--minutes", type=float, default=8.0, help="time limit of the run; default: 8")
    parser.add_argument("--photos", type=int, default=plan.PHOTOS, help=f"compared; default: {plan.PHOTOS}")
    parser.add_argument(
        "--megapixels",
        type=float,
        default=plan.MEGAPIXELS,
        help=f"largest area of a compared photo; default: {plan.MEGAPIXELS}",
    )
    parser.add_argument(
        "--shapes", type=int, default=plan.SHAPES, help=f"of the memory test; default: {plan.SHAPES}"
    )
    parser.add_argument(
        "--models",
        type=int,
        nargs="+",
        choices=sorted(plan.MODELS),
        default=list(plan.MODELS),
        metavar="MODEL",
        help="compared, of 1 to 4; speed and memory are of the first; default: 4 1 2 3",
    )
    parser.add_argument("--tiny", action="store_true", help="one load of tiny photos: for a software adapter")
    parser.add_argument("--store", type=Path, default=default_root(), metavar="FOLDER", help="of the models")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), metavar="FOLDER", help="of photos")
    given = parser.parse_args(arguments)
    options = run.Options(
        store=given.store,
        cache=given.cache,
        providers=given.providers or tuple(PROVIDERS),
        minutes=given.minutes,
        photos=given.photos,
        megapixels=given.megapixels,
        shapes=given.shapes,
        models=tuple(given.models),
        loads=plan.TINY if given.tiny else plan.LOADS,
    )
    check = GpuCheck(made=run.now(), minutes=given.minutes)
    # SIGTERM stops the services and keeps the figures, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        outcome = run.run(options, check)
        given.out.mkdir(parents=True, exist_ok=True)
    except (SourceError, StoreError, ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    for failure in outcome.failures:
        print(failure, file=sys.stderr)
    check.save(given.out / JSON)
    _write(given.out / HTML, page(check))
    _print(check)
    print(f"Page: {given.out / HTML}; to attach to a report: {given.out / JSON}")
    if outcome.interrupted:
        return INTERRUPTED
    return verdicts.exit_status(check, [name for name in given.providers if name != CPU.name])


def _print(check: GpuCheck) -> None:
    lines = [("provider", "device", "verdict", "reason")]
    for record in check.providers:
        reasons = [*verdicts.faults(record), *filter(None, (record.failure, record.unused))]
        device = record.device or record.kind or ""
        lines.append((record.name, device, verdicts.verdict(record), "; ".join(reasons)))
    print(text_table(lines))
    if check.left_out:
        print(f"Left out for lack of time, at least in part: {'; '.join(check.left_out)}")


def _table(arguments: Sequence[str]) -> int:
    """Write the table of devices seen into a page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check table", description=_table.__doc__)
    parser.add_argument(
        "--into", type=Path, default=devices_seen.PAGE, metavar="FILE", help="a Markdown file with marks"
    )
    given = parser.parse_args(arguments)
    try:
        _write(
            given.into,
            devices_seen.replaced(
                given.into.read_text(encoding="utf-8"), devices_seen.checks(devices_seen.FOLDER)
            ),
        )
    except (NoResult, NoMarks, OSError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    return 0


def _report(arguments: Sequence[str]) -> int:
    """Render the page of a result file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu_check report", description=_report.__doc__
    )
    parser.add_argument("result", type=Path, metavar="FILE", help=f"a {JSON}")
    parser.add_argument("--out", type=Path, default=Path(HTML), metavar="FILE", help=f"default: {HTML}")
    given = parser.parse_args(arguments)
    try:
        _write(given.out, page(load(given.result)))
    except (NoResult, OSError) as error:
        print(error, file=sys.stderr)
        return NOTHING_DONE
    return 0


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as file:
        file.write(text.encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
