"""The command line of a run."""

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
"""What a run can measure, and the sections of the figures that it notes."""
NAMED = (1, 2, 3, 4)
"""Model 6 has weights that cannot be fetched; its network is proven by the converter's tests."""
DLIB = "dlib"


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    photos: Path | None
    """A folder; None: what PyPI packages carry."""
    out: Path
    plan: Literal["quick", "full"]
    only: Sequence[str]
    """Of `PARTS`."""
    models: Sequence[int]
    """Of `NAMED`; empty: all that the baseline has."""
    against: str
    """`DLIB`, a service's URL, or the file of a recording."""
    candidate: str
    """A service's URL; empty: this checkout's."""
    beside: str
    """A service's URL; empty: none."""
    key: str
    """Of those services."""
    record: Path | None
    crops: bool
    threads: int
    """Cores for both sides; 0 for all."""
    store: Path
    cache: Path

    @property
    def command(self) -> str:
        """How to run it again, without a word on where anything lies: a result may be shown to others."""
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
    """The options; what is wrong ends the program with status 2 and a line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Holds this checkout against dlib on your photos: the same faces, how much faster, safe to switch?",
        epilog="Also: python -m benchmarks compare A B | history FOLDER | report RESULT | table RESULT",
    )
    add = parser.add_argument
    add("photos", type=Path, nargs="?", help="a folder; unset: some photos that PyPI packages carry")
    add("--out", type=Path, default=Path("benchmark"), help="folder for result.json and report.html")
    lengths = parser.add_mutually_exclusive_group()
    lengths.add_argument(
        "--quick",
        dest="plan",
        action="store_const",
        const="quick",
        help="some photos, scaled down; the default",
    )
    lengths.add_argument(
        "--full",
        dest="plan",
        action="store_const",
        const="full",
        help="every photo at its size, and more sizes",
    )
    parser.set_defaults(plan="quick")
    add("--only", nargs="+", choices=PARTS, default=list(PARTS))
    add("--models", type=int, nargs="+", choices=NAMED, default=(), help="of the parity part; unset: all")
    add(
        "--against", default=DLIB, metavar="WHAT", help="dlib, a file that --record wrote, or a service's URL"
    )
    add("--candidate", default="", metavar="URL", help="parity of this service, not of this checkout's")
    add(
        "--beside",
        default="",
        metavar="URL",
        help="a running service to take turns with in the throughput part",
    )
    add("--key-file", type=Path, help="with the key of those services; unset: API_KEY, or the file api.key")
    add("--record", type=Path, metavar="FILE", help="keep the answers; they are as private as the photos")
    add("--crops", action="store_true", help="show the faces that differ most in the report")
    add("--threads", type=int, default=0, help="hold both sides to so many cores")
    add("--store", type=Path, default=Path(os.environ.get("FACE_STORE") or "models"))
    add("--cache", type=Path, default=Path(".cache"), help="dlib's answers are kept there")
    given = vars(parser.parse_args(arguments))
    key_file, key = given.pop("key_file"), ""
    if given["candidate"] or given["beside"] or "://" in given["against"]:
        key = "" if key_file else os.environ.get("API_KEY", "")
        try:
            key = key or (key_file or Path("api.key")).read_text().split()[0]
        except (OSError, IndexError):
            parser.error("a running service wants its key: --key-file FILE, API_KEY, or the file api.key")
    return Options(key=key, **given)
