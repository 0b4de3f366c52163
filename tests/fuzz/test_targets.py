"""One minute of fuzzing over all targets, and the corpus."""

from pathlib import Path

import pytest

from tests.fuzz.campaign import fuzz
from tests.fuzz.targets import CORPUS, TARGETS, corpus_of

LARGEST_CORPUS = 300_000
"""Bytes; it is part of every checkout."""


def test_every_target_has_a_corpus() -> None:
    for name in TARGETS:
        assert corpus_of(name), name
    assert sum(path.stat().st_size for path in CORPUS.glob("*/*")) < LARGEST_CORPUS


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_no_finding_in_its_share_of_a_minute(name: str, tmp_path: Path) -> None:
    seconds = 60 * TARGETS[name].weight / sum(target.weight for target in TARGETS.values())
    outcome = fuzz(name, seconds, seed=1, artefacts=tmp_path)
    assert outcome.executions >= len(corpus_of(name))
    assert not outcome.findings, "\n".join(
        f"{finding.kind}\n{finding.report}\nagain: python -m tests.fuzz {name} {finding.path}"
        for finding in outcome.findings.values()
    )
