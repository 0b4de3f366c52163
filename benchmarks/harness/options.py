"""Command-line options of a run."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.harness.results import EXIT, INTERRUPTED, NOTHING_DONE
from model_store.store import default_root

PARTS: Mapping[str, Sequence[str]] = {
    "parity": ("parity", "accuracy"),
    "throughput": ("throughput", "callers", "area", "faces", "stages"),
    "roofline": ("roofline",),
}
"""Parts of a run, and the sections of the figures that each part measures."""
COMPARABLE_MODELS = (1, 2, 3, 4)
"""Models with a baseline. The weights of model 6 cannot be fetched; the converter's tests validate its network."""
DLIB = "dlib"


@dataclass(frozen=True)
class Options:
    """Parsed options of a run."""

    photos: Path | None
    """Folder; None: the sample photos of PyPI packages."""
    out: Path
    plan: Literal["quick", "full"]
    only: Sequence[str]
    """Names of `PARTS`."""
    models: Sequence[int]
    """Models of `COMPARABLE_MODELS`; empty: all models of the baseline."""
    against: str
    """Baseline: `DLIB`, a service's URL, or a recording's file."""
    candidate: str
    """Candidate: a service's URL; empty: this checkout's service."""
    beside: str
    """Remote side of the throughput part: a service's URL; empty: none."""
    key: str
    """API key of the services at these URLs."""
    record: Path | None
    crops: bool
    threads: int
    """Number of cores for all sides; 0: all."""
    store: Path
    cache: Path

    @property
    def command(self) -> str:
        """Command that repeats the run, without paths and addresses: a result may be shared."""
        words = ["python -m benchmarks", "PHOTOS" if self.photos else "", f"--{self.plan}"]
        if set(self.only) != set(PARTS):
            words.append(f"--only {' '.join(self.only)}")
        if self.models:
            words.append(f"--models {' '.join(map(str, self.models))}")
        if self.against != DLIB:
            words.append("--against URL" if "://" in self.against else "--against FILE")
        words += [f"--{name} URL" for name in ("candidate", "beside") if getattr(self, name)]
        words.append(f"--threads {self.threads}" if self.threads else "")
        return " ".join(filter(None, words))


EXIT_STATUSES: Mapping[int, str] = {
    EXIT["green"]: "same answers as the baseline (if they were compared), and no gate is red",
    EXIT["red"]: "a gate is red, or a part failed",
    NOTHING_DONE: "nothing was measured, or an option is invalid",
    EXIT["abstains"]: "too little data to judge the answers",
    INTERRUPTED: "interrupted; the figures measured until then are kept",
}
"""Exit statuses of a run, and their meanings."""
_STATUS_LINES = "\n".join(f"  {status:<5}{meaning}" for status, meaning in EXIT_STATUSES.items())
EPILOG = f"""\
commands on results (each has --help):
  compare A B      changes from result.json A to B, and a verdict: is B safe to switch to?
  history FOLDER   one page with the trends of all results in a folder
  report RESULT    the report of a result.json again
  table RESULT     Markdown tables of a result.json
  picture RESULT   picture of the speed by photo size (SVG)

exit status:
{_STATUS_LINES}

`make bench` and `make parity` end with make's own 2 instead of 1 and 3.
"""


def parse(arguments: Sequence[str]) -> Options:
    """Parse the options; an invalid option ends the program with status 2 and a one-line error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        usage="%(prog)s [PHOTOS] [options]\n       %(prog)s COMMAND ...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Compare this service with dlib on your photos and this machine: are the answers the same,\n"
        "is it as accurate, is it faster? Prints the verdicts and writes a report. Takes two minutes.",
        epilog=EPILOG,
    )
    parser.add_argument(
        "photos",
        type=Path,
        nargs="?",
        metavar="PHOTOS",
        help="folder of photos, searched with its subfolders; default: sample photos of PyPI packages",
    )
    run = parser.add_argument_group("what is measured")
    run.add_argument(
        "--quick",
        dest="plan",
        action="store_const",
        const="quick",
        help="default: up to 20 photos, scaled down to 0.22 megapixels, and a few loads, as far as two minutes suffice",
    )
    run.add_argument(
        "--full",
        dest="plan",
        action="store_const",
        const="full",
        help="every photo at its own size, and more sizes, models and loads, without a time limit",
    )
    parser.set_defaults(plan="quick")
    run.add_argument(
        "--only",
        nargs="+",
        choices=PARTS,
        default=list(PARTS),
        metavar="PART",
        help="parts of the run: parity (same answers, accuracy), throughput (speed, memory), roofline (speed of the "
        "networks as a share of what the processor can do); default: all",
    )
    run.add_argument(
        "--models",
        type=int,
        nargs="+",
        choices=COMPARABLE_MODELS,
        default=(),
        metavar="MODEL",
        help="FACE_MODEL numbers of the parity part, of 1 to 4; default: all",
    )
    run.add_argument(
        "--threads",
        type=int,
        default=0,
        metavar="CORES",
        help="use this number of processor cores, for dlib too; default: all",
    )
    files = parser.add_argument_group("files")
    files.add_argument(
        "--out",
        type=Path,
        default=Path("benchmark"),
        metavar="FOLDER",
        help="folder for report.html (to read) and result.json (for the commands below); default: benchmark",
    )
    files.add_argument(
        "--crops",
        action="store_true",
        help="show the faces with the largest differences in the report, which then contains parts of your photos",
    )
    files.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="also save this service's answers to your photos in FILE. A later run with --against FILE compares with "
        "them, for example after an upgrade or on another machine. FILE is as private as the photos",
    )
    files.add_argument(
        "--store",
        type=Path,
        default=default_root(),
        metavar="FOLDER",
        help="folder of weights and converted networks; default: FACE_STORE, or models",
    )
    files.add_argument(
        "--cache",
        type=Path,
        default=Path(".cache"),
        metavar="FOLDER",
        help="folder of dlib's answers, which make the next run faster and are as private as the photos, and of the "
        "sample photos; default: .cache",
    )
    services = parser.add_argument_group("running services")
    services.add_argument(
        "--against",
        default=DLIB,
        metavar="BASELINE",
        help="expected answers: dlib (default), a file that --record saved, or the URL of a running service",
    )
    services.add_argument(
        "--candidate",
        default="",
        metavar="URL",
        help="check the answers of the service at this URL instead of this checkout's",
    )
    services.add_argument(
        "--beside",
        default="",
        metavar="URL",
        help="also measure the speed of the service at this URL, in alternation with this checkout's",
    )
    services.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file with the API key of the services at these URLs; default: the variable API_KEY, or the file api.key",
    )
    given = vars(parser.parse_args(arguments))
    key_file, key = given.pop("key_file"), ""
    if given["candidate"] or given["beside"] or "://" in given["against"]:
        key = "" if key_file else os.environ.get("API_KEY", "")
        try:
            key = key or (key_file or Path("api.key")).read_text().split()[0]
        except (OSError, IndexError):
            parser.error(
                "the API key of the service is missing: pass --key-file FILE, set API_KEY, or create the file api.key"
            )
    return Options(key=key, **given)
