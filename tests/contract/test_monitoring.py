"""The metrics of dashboard, alerts and documentation are those of a running service."""

from collections.abc import Iterator

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests import documentation
from tests.calling import Caller
from tests.documentation import DOCS
from tests.servers import Server
from tests.services import StartService
from tests.unit.deploy.monitoring.promtool import all_expressions, labels_in, metrics_in

OF_PROMETHEUS = {"instance", "job", "le", "device"}
"""Labels of a scrape, of buckets, and of the example's target."""
DYNAMIC = {"cause"}
"""Labels of counters without a value before the first fault."""
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
"""Names of the samples of each type."""


@pytest.fixture(scope="module")
def families(start_service: StartService, server: Server, portrait: bytes) -> Iterator[list[Metric]]:
    """Metrics of model 3 after a photo, scraped as Prometheus does."""
    service = start_service(FACE_MODEL="3", FACE_METRICS_KEY="of-prometheus", FACE_PROVIDERS="cpu")
    service.wait_until_ready()
    caller = Caller(service.port)
    assert caller.post("/detect", caller.photo(portrait)).status == 200
    scraper = Caller(service.port, key_header=b"Authorization: Bearer of-prometheus")
    yield list(text_string_to_metric_families(scraper.get("/metrics").body.decode()))
    assert "of-prometheus" not in service.log
    assert service.stop() == server.stopped


@pytest.fixture
def names(families: list[Metric]) -> set[str]:
    """Names of samples, also of families without a value yet."""
    return {family.name + suffix for family in families for suffix in SUFFIXES.get(family.type, ("",))}


@pytest.mark.parametrize("expression", all_expressions())
def test_an_expression_names_metrics_and_labels_of_the_service(
    expression: str, names: set[str], families: list[Metric]
) -> None:
    assert metrics_in(expression) <= names
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    assert set(labels_in(expression)) <= labels | OF_PROMETHEUS | DYNAMIC


def test_the_documentation_names_metrics_of_the_service(names: set[str]) -> None:
    codes = documentation.inline_code(documentation.text_of(DOCS / "guide" / "monitoring.md"))
    named = set().union(*map(metrics_in, codes))
    assert named
    # A prefix, such as that of the processes' metrics, stands for its metrics.
    unknown = {name for name in named - names if not any(known.startswith(name) for known in names)}
    assert unknown == set()
