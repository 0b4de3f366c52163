"""Services that tests start as separate processes."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.processes.running import Service, free_port
from tests.calling import KEY
from tests.servers import OWN, Server

FORMER_KEY = "the-key-before-the-last-change"
"""The first line of the key file; KEY is the second."""

StartService = Callable[..., Service]
"""The fixture `start_service`, which has the arguments of `Services.start`."""


class Services:
    """Starts services on a model store, and stops those that still run.

    Args:
        store: the model store of all services.
        make_folder: makes a new folder for the key file of each service.
        server: the server of services without a command.
    """

    def __init__(self, store: Path, make_folder: Callable[[], Path], server: Server = OWN) -> None:
        self._store = store.resolve()
        self._make_folder = make_folder
        self._server = server
        self._started: list[Service] = []

    def start(
        self, *, command: Sequence[str] | None = None, pass_fds: Sequence[int] = (), **settings: str
    ) -> Service:
        """Starts one more service. `settings` are environment variables, and replace those given here."""
        keys = self._make_folder() / "api.key"
        keys.write_text(f"{FORMER_KEY}\n{KEY}\n")
        keys.chmod(0o600)
        inherited = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "PYTHONPATH", "NUMBA_CACHE_DIR")
            if name in os.environ
        }
        defaults = {"API_KEY": "", "API_KEY_FILE": str(keys), "FACE_STORE": str(self._store)}
        port = settings.get("PORT") or str(free_port())
        service = Service(
            {**inherited, **defaults, **settings, "PORT": port},
            command or self._server.command(port),
            pass_fds=pass_fds,
        )
        self._started.append(service)
        return service

    def close(self) -> None:
        for service in self._started:
            service.close()
