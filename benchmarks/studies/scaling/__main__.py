"""Photos a second of 1, 2 and 4 replicas behind nginx, against the prediction of `face-model estimate --replicas`.

    python -m benchmarks.studies.scaling [FOLDER] [--megapixels 0.3] [--rounds 2] [--seconds 25] [--model 4]

Each replica has the same share of a core, by a control group. With two cores, four replicas have 0.4 of a core each,
and the rest is for nginx and the callers. In a second experiment, one and two replicas have a core each, which leaves
no core for nginx and the callers. Without writable control groups, only the second one runs, with affinity. The rounds
of an experiment are interleaved (1 2 4 1 2 4), and the replicas of all rounds are the same processes.

The prediction is made from the median rate of one replica alone (service/estimate/replicas.py). Without FOLDER, the
photo is a drawn one. Exit status: 1 if a median differs by more than ALLOWED from its prediction, or if a call failed.
"""

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.harness.corpus import CorpusError, read, spread
from benchmarks.harness.text_table import text_table
from benchmarks.processes.cpu_shares import parent_of_groups
from benchmarks.processes.nginx import NginxEnded
from benchmarks.processes.running import ServiceDied
from benchmarks.studies.scaling.rounds import Replicas, Round, measured, running_replicas
from benchmarks.throughput.jpeg_uploads import upload
from service.estimate.replicas import scaling
from service.estimate.resources import Replica, Site
from service.images.app_uploads import encoded, scaled
from service.recognition.synthetic_pictures import typical_photo

ALLOWED = 0.20
"""Largest difference of a measured rate from the predicted one, as a share of the predicted one."""
DISTURBED = 0.2
"""Cores in use by others from which on the output asks for another measurement."""
UPLOADS = 8
"""Different photos of a folder."""


class Experiment(NamedTuple):
    """Numbers of replicas, each with the same share of a core."""

    cores: float
    replicas: Sequence[int]


EXPERIMENTS = (Experiment(0.4, (1, 2, 4)), Experiment(1.0, (1, 2)))


def possible(cores: int, *, quotas: bool) -> list[Experiment]:
    """The experiments that this number of cores suffices for; without quotas, those of whole cores."""
    return [
        Experiment(share, [number for number in replicas if number * share <= cores])
        for share, replicas in EXPERIMENTS
        if 2 * share <= cores and (quotas or share == 1)
    ]


def predicted(rate: float, megapixels: float, number: int) -> float:
    """Photos a second of `number` replicas with the rate of one. The callers prepare no photos, so are no bound."""
    return scaling(Replica(rate, 1, megapixels), Site(number)).photos_per_minute / 60


def _photos(folder: Path | None, megapixels: float) -> list[bytes]:
    if folder is None:
        return [encoded(scaled(typical_photo(), megapixels))]
    return [upload(path, megapixels) for path in spread(read(folder).photos, UPLOADS)]


def _experiment(
    running: Replicas, experiment: Experiment, photos: Sequence[bytes], options: argparse.Namespace
) -> bool:
    """Run and print an experiment; False if a rate differs from its prediction, or a call failed."""
    numbers = experiment.replicas
    for share in running.shares:
        share.set(experiment.cores)
    rounds = defaultdict[int, list[Round]](list)
    for number in numbers * options.rounds:
        rounds[number].append(measured(running, number, photos, options.seconds))
    one = median(found.rate for found in rounds[1])
    rows, largest = [], 0.0
    for number in numbers:
        found = rounds[number]
        rates = [each.rate for each in found]
        expected = predicted(one, options.megapixels, number)
        difference = median(rates) / expected - 1
        largest = max(largest, abs(difference))
        rows.append(
            (
                str(number),
                f"{median(rates):.2f} ({min(rates):.2f} to {max(rates):.2f})",
                f"{expected:.2f}",
                f"{difference:+.1%}",
                f"{median(each.used for each in found) / number:.2f}",
                f"{1e3 * median(each.front_seconds for each in found):.1f}",
                f"{max(each.others for each in found):.2f}",
            )
        )
    failed = sum(each.failed for found in rounds.values() for each in found)
    print(f"{experiment.cores:g} of a core for each replica, photos of {options.megapixels:g} MP:")
    heads = ("replicas", "photos a second", "predicted", "difference", "cores each", "nginx, ms", "others")
    print(text_table([heads, *rows]))
    print(f"failed calls: {failed}; largest difference {largest:.1%}, allowed {ALLOWED:.0%}")
    if (others := max(each.others for found in rounds.values() for each in found)) > DISTURBED:
        print(f"Other processes used up to {others:.1f} cores: measure again on an idle machine.")
    print(flush=True)
    return failed == 0 and largest <= ALLOWED


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    experiments = possible(len(os.sched_getaffinity(0)), quotas=parent_of_groups() is not None)
    if not experiments:
        print("two replicas need two cores, or a writable /sys/fs/cgroup", file=sys.stderr)
        return 1
    try:
        photos = _photos(options.folder, options.megapixels)
        with running_replicas(max(experiments[0].replicas), experiments[0].cores, options.model) as running:
            passed = [_experiment(running, experiment, photos, options) for experiment in experiments]
    except (CorpusError, NginxEnded, ServiceDied) as error:
        print(error, file=sys.stderr)
        return 1
    print(
        "Shown: replicas on one machine, with shares of its cores. Reckoned: replicas on machines of their own."
    )
    return int(not all(passed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--megapixels", type=float, default=0.3)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--model", type=int, default=4)
    return parser


if __name__ == "__main__":
    sys.exit(main())
