"""Compose's profile `replicas` in this machine's Docker: replicas are killed, updated and scaled while photos arrive.

The images are built and pulled as an operator's are, so that this needs the registries.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.processes.running import free_port
from tests.answers import assert_same_answer
from tests.calling import KEY, Caller
from tests.faults.resizing import resized
from tests.faults.restarts import Jobs
from tests.images.dockerfile import kept_by_dockerignore
from tests.paths import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.docker]

PROJECT = f"face-model-test-{os.getpid()}"
SHARE = {"REPLICAS": "2", "REPLICA_CPUS": "1", "REPLICA_MEMORY": "2g"}
"""The defaults of compose.yaml, whatever the environment has."""
PHOTOS = 12
"""Number of answered photos between two faults."""
START_SECONDS = 120
"""Limit until all replicas are ready."""
DOCKER_SECONDS = 900
"""Limit for one command: a build takes minutes, and a stop up to FACE_GRACE."""


class Compose:
    """The project's services, from a copy of the checkout's files with a key of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder

    def __call__(self, *words: str) -> str:
        """Output of `docker compose` for the profile. Raises AssertionError with its errors."""
        return _docker(
            *("compose", "--project-name", PROJECT, "--profile", "replicas", *words),
            cwd=self._folder,
            env={**os.environ, **SHARE, "PORT": str(self.port)},
        )

    def scale(self, replicas: int) -> None:
        """Start or end replicas, and wait until all of them are ready."""
        waiting = ("--wait", f"--wait-timeout={START_SECONDS}")
        self("up", "--detach", "--no-recreate", *waiting, f"--scale=replica={replicas}")

    def replicas(self) -> list[str]:
        """Names of their containers, sorted."""
        described = (json.loads(line) for line in self("ps", "--format=json", "replica").splitlines())
        return sorted(str(container["Name"]) for container in described)


def _docker(*words: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    ended = subprocess.run(
        ["docker", *words],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=DOCKER_SECONDS,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def _obstacle() -> str | None:
    """The reason why Compose cannot run here, or None."""
    if not shutil.which("docker"):
        return "docker(1) is not installed"
    for words in (["info"], ["compose", "version"]):
        ended = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
        if ended.returncode:
            return f"docker {' '.join(words)}: {ended.stderr.strip()}"
    return None


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compose]:
    if obstacle := _obstacle():
        pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("checkout")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in [*kept_by_dockerignore(ROOT), ".dockerignore", "compose.yaml", "Dockerfile.cpu", "deploy"]:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy2(ROOT / name, folder / name)
    (folder / "api.key").write_text(f"{KEY}\n")
    (folder / "api.key").chmod(0o644)
    (folder / "face-model.env").write_text("FACE_MODEL=3\n")
    running = Compose(folder)
    running("build", "replica")
    try:
        running.scale(2)
        yield running
    finally:
        running("down", "--volumes", "--timeout=0")


def test_a_kill_an_update_and_other_numbers_of_replicas_lose_nothing(
    compose: Compose, portrait: bytes
) -> None:
    """The update is that of docs/guide/several-machines.md."""
    photos = [resized(portrait, megapixels) for megapixels in (0.1, 0.2, 0.3)]
    caller = Caller(compose.port)
    alone = [caller.post("/detect", caller.photo(photo)).json for photo in photos]
    first, second = compose.replicas()
    with Jobs(caller, photos) as jobs:
        jobs.wait_for(PHOTOS)
        _docker("kill", first)
        jobs.wait_for(PHOTOS)
        _docker("start", first)
        compose.scale(2)
        compose.scale(4)
        _docker("stop", first, second)
        _docker("rm", first, second)
        compose("up", "--detach", "--no-recreate")
        updated = compose.replicas()
        assert len(updated) == 2
        assert not {first, second} & set(updated)
        jobs.wait_for(PHOTOS)
        compose.scale(1)
        assert len(compose.replicas()) == 1
        jobs.wait_for(PHOTOS)
    assert jobs.lost == []
    for index, bodies in jobs.bodies.items():
        for body in bodies:
            assert_same_answer(json.loads(body), alone[index])


def test_replicas_have_their_shares_and_no_photo_is_on_a_disk(compose: Compose) -> None:
    log = compose("logs", "replica")
    starts = [log.count(words) for words in ("memory limit 2,048 MiB", "on CPU: 1 core,", "ready: http://")]
    assert starts == [len(compose.replicas())] * 3
    assert compose("exec", "nginx", "stat", "--file-system", "--format=%T", "/tmp").strip() == "tmpfs"
