"""Commands beside the running service: `info` shows it, `analyse` gives its answers."""

import json
import shlex
from pathlib import Path

import pytest

from benchmarks.processes.running import free_port
from tests.calling import KEY, Caller
from tests.command_line import ESCAPE, SERVICE, command


def test_info_prints_the_json_of_the_service(caller: Caller, tmp_path: Path) -> None:
    settings = {"API_KEY": KEY, "PORT": str(caller.port)}
    done = command(tmp_path, "info", "--json", **settings)
    assert (done.returncode, done.stderr) == (0, "")
    printed, real = json.loads(done.stdout), caller.get("/info").json
    assert printed.keys() == real.keys()
    assert printed["versions"] == real["versions"]
    named = command(tmp_path, "info", "--json", "--url", f"127.0.0.1:{caller.port}/", API_KEY=KEY)
    assert json.loads(named.stdout)["weights"] == real["weights"]


def test_info_prints_a_line_for_each_field(caller: Caller, tmp_path: Path) -> None:
    done = command(tmp_path, "info", API_KEY=KEY, PORT=str(caller.port))
    assert done.returncode == 0
    assert ESCAPE not in done.stdout
    rows = dict(line.split("\t") for line in done.stdout.splitlines())
    assert rows["  number"] == "4"
    assert rows["  cnn_detections"] == ""
    assert rows["  maximum_area"].isdigit()


def test_info_names_a_wrong_key(caller: Caller, tmp_path: Path) -> None:
    done = command(tmp_path, "info", API_KEY="wrong", PORT=str(caller.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"http://localhost:{caller.port} answers /info with 401: missing or wrong API key: send a valid one in the "
        "header x-api-key\n"
    )


def test_info_names_an_address_without_a_service(tmp_path: Path) -> None:
    port = free_port()
    done = command(tmp_path, "info", API_KEY="k", PORT=str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"http://localhost:{port} does not answer: Connection refused. Start the service there, or name its address "
        "with --url.\n"
    )


def test_analyse_gives_the_answer_of_detect(
    caller: Caller, store: Path, photos: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("astronaut.png", "obama2.jpg"):
        (tmp_path / "sub" / name).symlink_to(photos[name].resolve())
    (tmp_path / "sub" / "bad.jpg").write_bytes(b"no image")
    done = command(tmp_path, "analyse", "sub", "--workers", "1", FACE_STORE=str(store.resolve()))
    assert done.returncode == 1
    assert done.stderr == '1 of 3 photos failed: see the lines with "error".\n'
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["filename"] for line in lines] == ["sub/astronaut.png", "sub/bad.jpg", "sub/obama2.jpg"]
    assert lines[1].keys() == {"filename", "error"}
    for line in (lines[0], lines[2]):
        data = (tmp_path / line["filename"]).read_bytes()
        answer = caller.post("/detect", caller.photo(data)).json
        assert line.keys() == answer.keys()
        assert line["faces-count"] == answer["faces-count"] == 1
        for own, real in zip(line["faces"], answer["faces"], strict=True):
            assert {name: own[name] for name in ("left", "top", "right", "bottom", "landmarks")} == {
                name: real[name] for name in ("left", "top", "right", "bottom", "landmarks")
            }
            assert own["detection_confidence"] == pytest.approx(real["detection_confidence"], abs=1e-4)
            assert own["descriptor"] == pytest.approx(real["descriptor"], abs=1e-4)


def test_check_prints_a_fault_as_json_too(tmp_path: Path) -> None:
    done = command(tmp_path, "check", "--json", FACE_STORE=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert json.loads(done.stdout) == {"ok": False, "verdict": line}
    wrong = command(tmp_path, "check", "--json", FACE_ENGINE="onx")
    assert json.loads(wrong.stdout) == {"ok": False, "verdict": wrong.stderr.rstrip("\n")}
    lacking = command(tmp_path, "check", "--json", FACE_PROVIDERS="cuda")
    assert lacking.returncode == 1
    assert json.loads(lacking.stdout) == {"ok": False, "verdict": lacking.stderr.rstrip("\n")}


def test_analyse_ends_quietly_at_a_closed_pipe(store: Path, photos: dict[str, Path]) -> None:
    line = f'{shlex.join(SERVICE)} analyse . | head -n 1; echo "${{PIPESTATUS[0]}}"'
    settings = {"FACE_STORE": str(store.resolve()), "FACE_MODEL": "3"}
    done = command(photos["obama2.jpg"].parent, "-c", line, program=["bash"], **settings)
    first, status = done.stdout.splitlines()
    assert json.loads(first)["filename"]
    assert (status, done.stderr) == ("1", "")
