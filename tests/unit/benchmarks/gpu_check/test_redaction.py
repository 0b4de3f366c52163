"""Messages of a public report have no names of folders, hosts or users."""

import getpass
import socket
from pathlib import Path

import pytest

from benchmarks.gpu_check import redaction
from benchmarks.gpu_check.redaction import public


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cannot open /home/jane/models/onnx/a.onnx", "cannot open …/a.onnx"),
        ("a\n\nlast line\n", "last line"),
        (
            "no permission on /dev/dri/renderD128: add the group",
            "no permission on /dev/dri/renderD128: add the group",
        ),
        ("'/srv/a b/c.so': no such file", "'…/a b/c.so': no such file"),
        ("photos/s and 1/2", "photos/s and 1/2"),
        ("/detect: 503 busy", "/detect: 503 busy"),
        ("\x1b[0;93mW:onnxruntime\x1b[m", "W:onnxruntime"),
        ("", ""),
    ],
)
def test_folders(text: str, expected: str) -> None:
    assert public(text) == expected


def test_a_checkout_in_a_folder_with_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "ROOT", Path("/home/jane/My Photos/face-model"))
    assert public("cannot open /home/jane/My Photos/face-model/models/a.onnx") == "cannot open …/a.onnx"


def test_host_and_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "attic.example.org")
    monkeypatch.setattr(getpass, "getuser", lambda: "jane")
    text = public("jane at attic.example.org, attic and janet")
    assert "jane " not in text
    assert "attic" not in text
    assert "janet" in text


def test_length() -> None:
    assert len(public("x" * 1000)) == redaction.MAXIMUM
