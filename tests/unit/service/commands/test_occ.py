import shlex
from pathlib import Path

import pytest

from service.commands import occ
from service.settings import Settings
from service.web.server import address
from tests import certificates


def test_makes_the_three_commands() -> None:
    settings = Settings.model_validate({"FACE_HOST": "192.168.1.123", "PORT": 8080})
    assert occ.occ_lines(settings, "abc") == [
        "php occ config:system:set facerecognition.external_model_url --value 192.168.1.123:8080",
        "php occ config:system:set facerecognition.external_model_api_key --value abc",
        "php occ face:setup -m 5",
    ]


def test_names_the_host_of_the_certificate_with_https(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = certificates.make(tmp_path)
    settings = Settings.model_validate({"FACE_HOST": "10.0.0.7", **made.settings})
    url, *_ = occ.occ_lines(settings, "abc")
    assert shlex.split(url)[-1] == "https://localhost:5000"
    assert shlex.split(occ.trial_line(settings, "abc"))[-1] == "https://localhost:5000/open"
    occ.print_commands(settings, "abc")
    assert "an authority that Nextcloud's host trusts" in capsys.readouterr().out
    made.key.unlink()  # not readable by the account that runs the command, for example
    assert shlex.split(occ.trial_line(settings, "abc"))[-1] == "https://10.0.0.7:5000/open"


def test_quotes_for_the_shell() -> None:
    settings = Settings.model_validate({"FACE_HOST": "fd00::7"})
    url, key, _ = occ.occ_lines(settings, "it's $HOME")
    assert shlex.split(url)[-1] == "[fd00::7]:5000"
    assert shlex.split(key)[-1] == "it's $HOME"


def test_quotes_the_trial_for_the_shell() -> None:
    settings = Settings.model_validate({"FACE_HOST": "fd00::7"})
    assert shlex.split(occ.trial_line(settings, "it's $HOME")) == [
        "curl", "-H", "x-api-key: it's $HOME", "http://[fd00::7]:5000/open",
    ]  # fmt: skip


@pytest.mark.parametrize(("host", "hinted"), [(None, True), ("0.0.0.0", True), ("10.0.0.7", False)])
def test_says_in_a_container_that_an_address_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    host: str | None,
    hinted: bool,
) -> None:
    settings = Settings.model_validate({"FACE_HOST": host})
    monkeypatch.setattr(address, "CONTAINER_FILES", (tmp_path / ".dockerenv", tmp_path / ".containerenv"))
    occ.print_commands(settings, "abc")
    assert "container" not in capsys.readouterr().out
    (tmp_path / ".containerenv").touch()
    occ.print_commands(settings, "abc")
    hint = f"{address.own_address()}:5000 is the address of this container: outside of its network, replace it by"
    assert (hint in capsys.readouterr().out) is hinted
