"""The command `settings`: Markdown, JSON, and hidden values."""

import json

import pytest
from click.testing import CliRunner

from service import settings
from service.commands import settings_table


def _run(*options: str) -> str:
    done = CliRunner().invoke(settings_table.command, options, standalone_mode=False)
    assert done.return_value == 0, done.output
    return done.stdout


@pytest.mark.parametrize("options", [[], ["--markdown"]])
def test_a_pipe_gets_markdown(options: list[str]) -> None:
    assert _run(*options).splitlines()[2:] == settings.markdown_rows()


def test_json_has_the_present_values_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", "secret")
    monkeypatch.setenv("FACE_MODEL", "3")
    printed = _run("--json")
    assert "secret" not in printed
    rows = {row["variable"]: row for row in json.loads(printed)}
    assert rows.keys() == settings.variables().keys()
    assert (rows["FACE_MODEL"]["value"], rows["FACE_MODEL"]["default"]) == ("3", "4")
    assert rows["API_KEY"]["value"] == settings_table.HIDDEN
    assert rows["API_KEY_FILE"]["value"] == ""
