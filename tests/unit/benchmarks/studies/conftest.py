"""Another checkout of this project."""

import sys

import pytest

from benchmarks.processes.running import ROOT
from benchmarks.studies.process_cost.checkouts import Checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """Another folder with this project and this environment."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("service", "model_store", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    return Checkout("now", folder)
