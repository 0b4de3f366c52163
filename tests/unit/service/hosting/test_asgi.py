"""The factory for ASGI servers, and the end of its process."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from service.hosting import asgi
from tests.paths import ROOT
from tests.unit.service.coroutines import run_async

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "from service.hosting.asgi import from_environment; from_environment()"


@pytest.mark.not_quick
@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"API_KEY": ""}, "There is no API key"),
        ({"API_KEY": "k", "FACE_THREADS": "many"}, "FACE_THREADS=many is not possible"),
        ({"API_KEY": "k", "FACE_STORE": "nothing"}, "model_store fetch"),
    ],
)
def test_a_fault_of_the_settings_ends_the_process_without_a_traceback(
    tmp_path: Path, settings: dict[str, str], part: str
) -> None:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings}
    failed = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert part in failed.stderr.splitlines()[0]
    assert "Traceback" not in failed.stderr
    assert failed.returncode == 1


def test_a_failure_ends_the_process_after_the_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    signals: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda process, number: signals.append((process, number)))
    monkeypatch.setattr(asgi, "ANSWER_SECONDS", 0.01)

    async def story() -> None:
        asgi.end_process("no memory")
        assert signals == []
        await asyncio.sleep(0.1)

    run_async(story)
    assert signals == [(os.getpid(), signal.SIGTERM)]
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.CRITICAL, "no memory; this process ends")
    ]


@pytest.mark.parametrize(
    ("environment", "warned"),
    [
        ({}, []),
        ({"FACE_GRACE": "", "PORT": "80"}, []),
        ({"FACE_TLS_KEY": "a", "FACE_HOST": "::"}, ["FACE_HOST, FACE_TLS_KEY without effect"]),
    ],
)
def test_warns_of_settings_of_our_own_server(environment: dict[str, str], warned: list[str]) -> None:
    assert [line.partition(":")[0] for line in asgi.unused(environment)] == warned
