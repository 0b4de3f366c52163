"""Command-line options of a run."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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


def parse(arguments: Sequence[str]) -> Options:
    """Parse the options; an invalid option ends the program with status 2 and a one-line error."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Compare this checkout with dlib on your photos: same answers, accuracy, speed.",
        epilog="Also: python -m benchmarks compare A B | history FOLDER | report RESULT | table RESULT",
    )
    add = parser.add_argument
    add("photos", type=Path, nargs="?", help="folder; default: sample photos of PyPI packages")
    add("--out", type=Path, default=Path("benchmark"), help="folder for result.json and report.html")
    lengths = parser.add_mutually_exclusive_group()
    lengths.add_argument(
        "--quick",
        dest="plan",
        action="store_const",
        const="quick",
        help="a few photos, scaled down (default)",
    )
    lengths.add_argument(
        "--full",
        dest="plan",
        action="store_const",
        const="full",
        help="every photo at its full size, and more load scenarios",
    )
    parser.set_defaults(plan="quick")
    add("--only", nargs="+", choices=PARTS, default=list(PARTS))
    add(
        "--models",
        type=int,
        nargs="+",
        choices=COMPARABLE_MODELS,
        default=(),
        help="models of the parity part; default: all",
    )
    add(
        "--against",
        default=DLIB,
        metavar="WHAT",
        help="baseline: dlib, a file written by --record, or a service's URL",
    )
    add(
        "--candidate",
        default="",
        metavar="URL",
        help="check the parity of this service instead of this checkout's",
    )
    add(
        "--beside",
        default="",
        metavar="URL",
        help="running service to include in the throughput part",
    )
    add(
        "--key-file",
        type=Path,
        help="file with the API key of those services; default: API_KEY, or the file api.key",
    )
    add(
        "--record",
        type=Path,
        metavar="FILE",
        help="save the candidate's answers as a baseline; they are as private as the photos",
    )
    add("--crops", action="store_true", help="show the faces that differ most in the report")
    add("--threads", type=int, default=0, help="number of cores for all sides; default: all")
    add("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    add("--cache", type=Path, default=Path(".cache"), help="folder for cached answers of dlib")
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
