"""Commands of the service: start-up errors, exit statuses, output, and graceful shutdown."""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from benchmarks.processes.running import free_port
from service.recognition.ort.providers import CUDA, missing
from tests.calling import KEY
from tests.command_line import command
from tests.paths import ROOT
from tests.refusals import NO_THREADS, NO_WRITTEN_CODE, needs_mdwe

if TYPE_CHECKING:
    from tests.calling import Caller
    from tests.servers import Server
    from tests.services import StartService


def test_serve_without_a_key_fails_and_explains_how_to_set_one(tmp_path: Path) -> None:
    refused = command(tmp_path, "serve", API_KEY="")
    assert refused.returncode == 1
    assert refused.stderr.startswith("There is no API key")
    assert "-v /path/to/api.key:/app/api.key" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_preflight_accepts_what_serve_and_key_can_use(tmp_path: Path) -> None:
    port = str(free_port())
    # The misspelt setting is reported once by `make serve`: in the log of the service.
    accepted = command(tmp_path, "preflight", PORT=port, FACE_HOST="127.0.0.1", FACE_THREDS="2")
    assert (accepted.returncode, accepted.stdout, accepted.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    with socket.create_server(("127.0.0.1", int(port))):
        pass  # it has released the port


def test_preflight_names_every_fault_in_a_line(tmp_path: Path, caller: Caller) -> None:
    (tmp_path / "api.key").write_text("# only a comment\n")
    refused = command(tmp_path, "preflight", PORT=str(caller.port))
    assert (refused.returncode, refused.stdout) == (1, "")
    key, port = refused.stderr.splitlines()
    assert key.startswith("The key file api.key contains no key")
    assert port.startswith(f"Cannot listen on all addresses, port {caller.port}")
    assert re.search(r"Port \d+ is free: `PORT=\d+ make serve`", port)


def test_preflight_names_a_folder_without_room_for_a_key(tmp_path: Path) -> None:
    refused = command(tmp_path, "preflight", API_KEY_FILE="missing/api.key", PORT=str(free_port()))
    assert refused.returncode == 1
    assert refused.stderr.startswith("The key file missing/api.key cannot be written: No such file")


@pytest.mark.parametrize("name", ["preflight", "serve", "check"])
@pytest.mark.parametrize(
    ("refusal", "remedy"),
    [
        pytest.param(NO_THREADS, "--security-opt seccomp=unconfined", id="threads"),
        pytest.param(NO_WRITTEN_CODE, "MemoryDenyWriteExecute=yes", id="written code", marks=needs_mdwe),
    ],
)
def test_a_sandbox_that_refuses_needed_calls_ends_with_one_line(
    tmp_path: Path, name: str, refusal: str, remedy: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(refusal)
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    refused = command(tmp_path, name, API_KEY="k", PORT=str(free_port()), PYTHONPATH=path)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert remedy in line


def test_check_reports_a_misspelt_setting(tmp_path: Path) -> None:
    refused = command(tmp_path, "check", FACE_STORE=str(tmp_path), FACE_THREDS="2")
    assert refused.returncode == 1
    misspelt, missing = refused.stderr.splitlines()
    assert "FACE_THREDS" in misspelt
    assert "did you mean FACE_THREADS?" in misspelt
    assert f"Run: cd {tmp_path} && {sys.executable} -m model_store fetch" in missing


def test_settings_warns_of_a_misspelt_setting_beside_the_table(tmp_path: Path) -> None:
    printed = command(tmp_path, "settings", FACE_THREDS="2")
    assert printed.returncode == 0
    assert printed.stderr == "FACE_THREDS is no setting and is ignored; did you mean FACE_THREADS?\n"
    assert printed.stdout.startswith("| Variable | Default | Meaning |\n")


IMPOSSIBLE: list[tuple[list[str], dict[str, str], bytes | None, str]] = [
    # Commands, settings, the key file's bytes, and a part of the error line.
    (
        ["serve", "key", "occ", "check", "settings"],
        {"API_KEY": "cl\udce9"},
        None,
        "API_KEY is not possible: no HTTP",
    ),
    (["serve", "occ"], {"API_KEY": "two\nlines"}, None, "U+000A"),
    (["serve", "key", "occ", "preflight"], {}, "clé\n".encode("latin-1"), "is not UTF-8 in line 1"),
    (["serve", "key", "occ"], {}, "key\r\n".encode("utf-16"), "is UTF-16"),
    (["serve"], {"API_KEY": "k", "FACE_HOST": "a..b"}, None, "Cannot listen on a..b, port"),
    (["serve"], {"API_KEY": "k", "FACE_HOST": "\udcff"}, None, r"Cannot listen on \udcff, port"),
    (
        ["serve"],
        {"API_KEY": "k", "FACE_HOST": "no-such-host.invalid"},
        None,
        "Cannot listen on no-such-host.invalid",
    ),
    (["serve"], {"API_KEY": "k", "FACE_STORE": "/dev/null"}, None, "Not a directory"),
    (["occ", "settings"], {"API_KEY": "k", "PORT": "5\n6"}, None, r"PORT=5\n6 is not possible"),
    (["serve"], {"API_KEY": "k", "FACE_MAXIMUM_AREA": "9" * 30}, None, "FACE_MAXIMUM_AREA"),
    (["occ"], {"API_KEY": "tést", "PYTHONIOENCODING": "ascii"}, None, "PYTHONIOENCODING=utf-8"),
]


@pytest.mark.parametrize(
    ("name", "settings", "key_file", "part"),
    [(name, *rest) for names, *rest in IMPOSSIBLE for name in names],
)
def test_invalid_settings_end_with_one_line(
    tmp_path: Path, name: str, settings: dict[str, str], key_file: bytes | None, part: str
) -> None:
    if key_file is not None:
        (tmp_path / "api.key").write_bytes(key_file)
    refused = command(tmp_path, name, **{"PORT": str(free_port()), **settings})
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert part in line


def test_missing_weights_end_with_one_line(tmp_path: Path) -> None:
    refused = command(
        tmp_path, "serve", API_KEY="x", FACE_STORE=str(tmp_path), FACE_LOG_LEVEL="error", FACE_HOST="127.0.0.1",
        PORT=str(free_port()),
    )  # fmt: skip
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert "missing" in line


def test_a_port_in_use_ends_with_one_line(caller: Caller, tmp_path: Path) -> None:
    refused = command(tmp_path, "serve", API_KEY="x", PORT=str(caller.port))
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert line.startswith(
        f"Cannot listen on all addresses, port {caller.port} (FACE_HOST, PORT): Address already in use."
    )


def test_warns_of_a_key_file_that_is_readable_for_others(tmp_path: Path, caller: Caller) -> None:
    keys = tmp_path / "api.key"
    keys.write_text("secret\n")
    for mode, warned in ((0o600, False), (0o644, True)):
        keys.chmod(mode)
        run = command(tmp_path, "serve", PORT=str(caller.port))
        assert ("chmod 600" in run.stderr) is warned
        assert "secret" not in run.stderr


def test_key_is_created_once_and_prints_the_commands_for_nextcloud(tmp_path: Path) -> None:
    settings = {"PORT": "8080", "FACE_HOST": "192.168.1.123", "FACE_PREFERRED_MIMETYPE": "image/png"}
    made = command(tmp_path, "key", **settings)
    assert made.returncode == 0, made.stderr
    path = tmp_path / "api.key"
    key = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    lines = [line.strip() for line in made.stdout.splitlines() if "php occ" in line]
    assert lines == [
        "php occ config:system:set facerecognition.external_model_url --value 192.168.1.123:8080",
        f"php occ config:system:set facerecognition.external_model_api_key --value {key}",
        "php occ face:setup -m 5",
    ]
    again = command(tmp_path, "key", **settings)
    assert (again.returncode, path.read_text().strip()) == (0, key)
    assert key not in again.stdout
    # The command that is printed then, from another folder.
    printed = subprocess.run(
        again.stdout.splitlines()[-1],
        shell=True,
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.splitlines() == made.stdout.splitlines()[1:]


def test_the_printed_trial_gets_the_printed_answer(caller: Caller, tmp_path: Path) -> None:
    printed = command(tmp_path, "occ", API_KEY=KEY, PORT=str(caller.port), FACE_HOST="127.0.0.1")
    *_, trial, expected = printed.stdout.splitlines()
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    tried = subprocess.run(trial, shell=True, capture_output=True, text=True, check=True)
    start = expected.removeprefix("The running service answers ").removesuffix("...}")
    assert tried.stdout.startswith(start)
    assert start.startswith('{"preferred_mimetype":"image/jpeg"')
    wrong = subprocess.run(
        trial.replace(KEY, "wrong"), shell=True, capture_output=True, text=True, check=True
    )
    assert wrong.stdout == '{"error":"missing or wrong API key: send a valid one in the header x-api-key"}'


def test_key_creates_no_file_if_api_key_is_set(tmp_path: Path) -> None:
    done = command(tmp_path, "key", API_KEY="given")
    assert (done.returncode, done.stderr) == (0, "")
    assert "are printed by this command, in a shell with the same API_KEY:\n" in done.stdout
    assert "given" not in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert "--value given\n" in command(tmp_path, "occ", API_KEY="given").stdout


def test_occ_without_a_key_fails(tmp_path: Path) -> None:
    refused = command(tmp_path, "occ")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("There is no API key")


def test_key_names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    refused = command(tmp_path, "key", API_KEY_FILE="missing/api.key")
    assert refused.returncode == 1
    assert refused.stderr == (
        "The key file missing/api.key cannot be written: No such file or directory. Let "
        "API_KEY_FILE name a file in a folder that this user can write.\n"
    )


def test_sigterm_finishes_requests_in_flight(
    start_service: StartService, server: Server, caller: Caller, portrait: bytes
) -> None:
    # All settings are environment variables, as in the `docker run` lines of the original model's documentation.
    service = start_service(FACE_MODEL="3", GUNICORN_WORKERS="2", REQ_TIMEOUT="", FACE_LOG_LEVEL="INFO")
    service.wait_until_ready()
    accepted = Barrier(4, timeout=60)
    own = replace(caller, port=service.port, expect_above=0, before_body=accepted.wait)
    with ThreadPoolExecutor(3) as threads:
        photos = [threads.submit(own.post, "/detect", own.photo(portrait)) for _ in range(3)]
        accepted.wait()
        assert service.stop() == server.stopped, service.log
        replies = [photo.result() for photo in photos]
    assert [reply.status for reply in replies] == [200] * 3
    assert {face["detection_confidence"] for reply in replies for face in reply.json["faces"]} == {1.1}
    with pytest.raises(ConnectionRefusedError):
        replace(caller, port=service.port).get("/health")


DETAIL = 4 * " "
"""Indentation of the lines of `check` about a stage."""


def test_check_measures_every_stage_and_names_its_engine(store: Path, photos: dict[str, Path]) -> None:
    photo = str(photos["astronaut.png"])
    done = command(ROOT, "check", photo, FACE_STORE=str(store.absolute()), FACE_MODEL="4")
    assert done.returncode == 0, done.stderr
    model, picture, *stages, memory, limit, worker, decoders, verdict = done.stdout.splitlines()
    assert model == "model 4: CNN detector confirmed by HOG, 5 landmarks"
    assert picture.startswith("a photo of 512 x 512 pixels, faces found: 1,")
    rows = [line.split() for line in stages if not line.startswith(DETAIL)]
    details = [line.strip() for line in stages if line.startswith(DETAIL)]
    assert re.match(r"(int8 scan|float32); trial of the scan: 0\.\d\d of the time in float32", details[0])
    assert details[1].startswith("its time is kept in ")
    assert [(name, engine, provider) for name, engine, provider, *_ in rows] == [
        ("cnn_detections", "onnx", "CPUExecutionProvider"),
        ("hog_confirms", "compiled", "cpu"),
        ("landmarks", "compiled", "cpu"),
        ("chips", "compiled", "cpu"),
        ("descriptors", "onnx", "CPUExecutionProvider"),
    ]
    assert all(float(value) > 0 and unit == "ms" for _, _, _, value, unit, _, _ in rows)
    growth = {name: int(value.removeprefix("+")) for name, *_, value, _ in rows}
    assert all(rows_unit == "MB" for *_, rows_unit in rows)
    assert 1 < growth["cnn_detections"] < 500
    megabytes = re.fullmatch(r"peak memory (\d+) MB", memory)
    assert megabytes is not None
    assert 50 < int(megabytes[1]) < 2000
    assert re.match(
        r"memory limit [\d,]+ MiB\. /detect: [\d,]+ MiB for a photo of 8\.3 megapixels", limit
    ) or (re.match(r"a photo of 8\.3 megapixels needs", limit))
    # Landlock and seccomp depend on the kernel.
    assert worker.startswith("sandbox of the worker: no new privileges: yes, Landlock: ")
    assert worker.endswith("file growth forbidden: yes")
    assert decoders.startswith("sandbox of the decoders: no new privileges: yes, Landlock: ")
    assert re.fullmatch(
        r"OK: model 4 computes on CPU: \d+ cores?, .+; (int8 scan, )?float32; a photo of 0\.3 megapixels takes \d+ ms",
        verdict,
    )


def test_check_without_a_photo_runs_every_stage_on_noise(store: Path) -> None:
    done = command(ROOT, "check", FACE_STORE=str(store.absolute()), FACE_MODEL="3")
    assert done.returncode == 0, done.stderr
    _, picture, *stages, _, _, _, _, _ = done.stdout.splitlines()
    assert picture.startswith("noise of 1280 x 960 pixels, faces found: 0,")
    assert [line.split()[0] for line in stages] == ["hog_detections", "landmarks", "chips", "descriptors"]
    assert all(float(line.split()[3]) > 0 for line in stages)


@pytest.mark.skipif(missing(CUDA) is None, reason="this machine has what CUDA needs")
@pytest.mark.parametrize("name", ["serve", "check", "preflight"])
def test_a_requested_gpu_that_is_missing_ends_with_one_line(store: Path, tmp_path: Path, name: str) -> None:
    settings = {
        "FACE_STORE": str(store.absolute()),
        "FACE_MODEL": "3",
        "FACE_LOG_LEVEL": "error",  # with a driver alone missing, the service listens, and logs it
        "API_KEY": "secret",
        "PORT": str(free_port()),
    }
    refused = command(tmp_path, name, FACE_PROVIDERS="cuda", **settings)
    assert (refused.returncode, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert line.startswith("FACE_PROVIDERS=cuda is not possible here: ")
    assert line.endswith("Or set FACE_PROVIDERS=cpu, or FACE_ALLOW_FALLBACK=true")


@pytest.mark.skipif(missing(CUDA) is None, reason="this machine has what CUDA needs")
def test_allowed_fallback_from_a_missing_gpu_is_logged(store: Path) -> None:
    settings = {"FACE_STORE": str(store.absolute()), "FACE_MODEL": "3", "FACE_ALLOW_FALLBACK": "true"}
    done = command(ROOT, "check", FACE_PROVIDERS="cuda", **settings)
    assert done.returncode == 0
    assert "CPUExecutionProvider" in done.stdout
    (line,) = done.stderr.splitlines()
    assert "FACE_PROVIDERS=cuda is not possible here: " in line
    assert line.endswith("The CPU computes instead, as FACE_ALLOW_FALLBACK allows.")


@pytest.mark.parametrize(("content", "part"), [(None, "No such file"), (b"no image", "known formats")])
def test_check_fails_for_an_unreadable_photo(tmp_path: Path, content: bytes | None, part: str) -> None:
    if content is not None:
        (tmp_path / "photo.jpg").write_bytes(content)
    refused = command(tmp_path, "check", "photo.jpg")
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert part in line


def test_check_of_an_empty_store_names_the_command_that_fills_it(tmp_path: Path) -> None:
    done = command(ROOT, "check", FACE_STORE=str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "python -m model_store fetch" in line


def test_a_closed_standard_output_causes_no_traceback(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "service", "settings"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "")
