"""Measure two checkouts in turns: `python -m benchmarks.studies.process_cost --before FOLDER --now FOLDER [PHOTO ...]`.

First each side starts several times, one at a time: start to `/ready`, memory at idle, after 20 photos, and at the
peak over photos of 0.1 to 8.3 megapixels. Then both services run at the same time and take turns (before, now, before,
now): one photo's latency, photos per second, CPU seconds, and small requests beside eight callers. Prints medians, the
ratio now/before of each round with its middle half, and whether the answers are the same bytes. CPU seconds are those
of the process tree, and suffer least where others use the machine too. Six minutes on two cores. The exit status is 0
where every photo has the same answer on both sides, alone; 1 where one differs; 2 where nothing could be measured.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparing import table
from benchmarks.harness import facts
from benchmarks.harness.running import ROOT, ServiceDied
from benchmarks.studies.process_cost import measures
from benchmarks.studies.process_cost.answers import Comparison, compare
from benchmarks.studies.process_cost.cases import CASES, Uploads
from benchmarks.studies.process_cost.checkouts import Checkout
from benchmarks.studies.process_cost.figures import HEADINGS, Figures
from conversion.validation import package_photos

PROBES = 3
"""Rounds to one of small requests, which takes as long as all cases of a round."""


def starts(sides: Sequence[Checkout], uploads: Uploads, model: int, number: int, figures: Figures) -> None:
    """Fresh services, one at a time; each side's first one does not count, since it may compile its loops."""
    for round_ in range(number + 1):
        for side in sides:
            with side.serving(model) as running:
                if round_:
                    figures.note(side.name, measures.fresh(running, uploads))
        print(f"start {round_} of {number}", file=sys.stderr, flush=True)


def turns(
    sides: Sequence[Checkout], uploads: Uploads, model: int, rounds: int, figures: Figures
) -> Comparison:
    """Both services at the same time, in turns."""
    first, second = sides
    with first.serving(model) as before, second.serving(model) as now:
        both = (before, now)
        for running in both:
            running.side.turn(list(uploads.all()), 1)  # alone, for the comparison; and to warm up
        for round_ in range(rounds):
            for case in CASES:
                for running in both:
                    figures.note(running.side.name, measures.turn(running, case, uploads))
            if round_ % PROBES == 0:
                for running in both:
                    figures.note(running.side.name, measures.probed(running, uploads))
            print(f"round {round_ + 1} of {rounds}", file=sys.stderr, flush=True)
        return compare(before.answers, now.answers)


def main(arguments: Sequence[str]) -> int:
    """Parse, measure, print; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies.process_cost", description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="a checkout with .venv and models")
    parser.add_argument("--now", type=Path, required=True, help="another one")
    parser.add_argument("photos", type=Path, nargs="*", help="unset: those that PyPI packages carry")
    parser.add_argument("--rounds", type=int, default=12, help="of turns")
    parser.add_argument("--starts", type=int, default=5, help="of each side; 0: none")
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
        compared = turns(sides, uploads, given.model, given.rounds, figures)
    except subprocess.CalledProcessError as error:
        print(f"{error}: {error.stderr}", file=sys.stderr)
        return 2
    except (OSError, ValueError, ServiceDied, measures.PhotoFailed) as error:
        print(error, file=sys.stderr)
        return 2
    print(table([HEADINGS, *(row.cells for row in figures.rows())]))
    print(compared)
    return 1 if compared.differ else 0


def _listed(found: facts.Facts | dict[str, str]) -> str:
    return ", ".join(f"{name} {value}" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
