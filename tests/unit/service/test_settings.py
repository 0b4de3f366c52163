import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from service import settings
from service.settings import Settings, SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings.variables():
        monkeypatch.delenv(variable, raising=False)


def test_upstream_names_and_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings.load()
    assert (default.port, default.model, default.workers, default.request_timeout) == (5000, 4, 0, 0)
    assert default.api_key is None
    assert default.api_key_file == Path("api.key")
    for variable, value in {
        "API_KEY": "secret",
        "API_KEY_FILE": "/keys",
        "FACE_MODEL": "3",
        "PORT": "8080",
        "GUNICORN_WORKERS": "4",
        "REQ_TIMEOUT": "300",
    }.items():
        monkeypatch.setenv(variable, value)
    given = settings.load()
    assert (given.port, given.model, given.workers, given.request_timeout) == (8080, 3, 4, 300)
    assert given.api_key is not None
    assert given.api_key.get_secret_value() == "secret"
    assert given.api_key_file == Path("/keys")


def test_empty_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings.variables():
        monkeypatch.setenv(variable, "")
    emptied = settings.load()
    for variable in settings.variables():
        monkeypatch.delenv(variable)
    assert emptied == settings.load()


def test_names_that_other_programs_use_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings.load()
    for name in ("HOST", "MODEL", "ENGINE", "STORE", "THREADS", "WORKERS", "port", "LOG_LEVEL"):
        monkeypatch.setenv(name, "7")
    assert settings.load() == default


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("FACE_MODEL", "0", "4 (CNN detector confirmed by HOG"),
        ("FACE_MODEL", "5", "5 is the app's own number"),
        ("FACE_MODEL", "7", "Choose one of 1 (CNN"),
        ("FACE_MODEL", "four", "a whole number"),
        ("PORT", "70000", "65535"),
        ("PORT", "http", "a whole number"),
        ("GUNICORN_WORKERS", "-1", "greater than or equal to 0"),
        ("FACE_MEMORY", "a lot", "such as 2147483648 or 2GiB"),
        ("FACE_MEMORY", "1MB", "greater than or equal to 402653184"),
        ("FACE_PATIENCE", "0", "greater than 0"),
        ("FACE_GRACE", "0", "greater than or equal to 1"),
        ("REQ_TIMEOUT", "-1", "greater than or equal to 0"),
        ("REQ_TIMEOUT", "inf", "finite"),
        ("REQ_TIMEOUT", "soon", "it has to be a number"),
        ("FACE_ENGINE", "cuda", "'onnx' or 'dlib'"),
        ("FACE_PROVIDERS", "cuda,cpu", "'auto', 'cpu' or 'cuda'"),
        ("FACE_PRECISION", "float16", "'float32' or 'mixed'"),
        ("FACE_GPU_MEMORY", "100MB", "greater than or equal to 536870912"),
        ("FACE_ORIENTATION", "maybe", "true or false"),
        ("FACE_PREFERRED_MIMETYPE", "image/webp", "'image/jpeg' or 'image/png'"),
        ("FACE_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("FACE_MAXIMUM_UPLOAD", "1MB", "a whole number"),
    ],
)
def test_an_impossible_value_is_explained_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refusal:
        settings.load()
    message = str(refusal.value)
    assert message.startswith(f"{variable}={value} ")
    assert hint in message
    assert "\n" not in message


@pytest.mark.parametrize("key", ["a\nb", "a\rb", "tab\vtab", "\x1b[31m", "cl\udce9", "\x7f"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("API_KEY", key)
    with pytest.raises(
        SettingsError, match=r"^API_KEY is not possible: no HTTP header can carry it"
    ) as refusal:
        settings.load()
    assert key not in str(refusal.value)
    assert str(refusal.value).isprintable()


def test_white_space_around_a_key_and_within_it_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_KEY", " tést\tkey ü\n")
    assert settings.load().api_key is not None


@pytest.mark.parametrize(
    ("variable", "value", "shown"),
    [
        ("PORT", "5\n6", "PORT=5\\n6 "),
        ("FACE_MODEL", "\udcff", "FACE_MODEL=\\udcff "),
        ("PORT", "9" * 5000, "9… "),
    ],
)
def test_a_value_is_shown_in_one_bounded_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refusal:
        settings.load()
    assert shown in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


def test_a_mistake_ends_the_process_before_anything_heavy_is_loaded() -> None:
    program = (
        "import sys; from service.__main__ import main; status = main(['serve']);"
        "heavy = {'cv2', 'PIL', 'onnxruntime', 'dlib', 'uvicorn', 'starlette'} & sys.modules.keys();"
        "print(sorted(heavy)); sys.exit(status)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "FACE_ENGINE": "onx"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stdout == "[]\n"
    assert run.stderr == "FACE_ENGINE=onx is not possible: Input should be 'onnx' or 'dlib'\n"


def test_settings_cannot_change_and_do_not_show_the_key() -> None:
    given = Settings.model_validate({"API_KEY": "very secret"})
    with pytest.raises(ValidationError):
        given.port = 1
    assert "very secret" not in repr(given) + str(given)


@pytest.mark.parametrize("row", settings.markdown_rows(), ids=list(settings.variables()))
def test_the_readme_documents_each_setting(row: str) -> None:
    assert row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines(), (
        "paste what `python -m service settings` prints into README.md"
    )


def test_a_misspelt_setting_is_reported_with_what_was_meant() -> None:
    environment = ["FACE_MODLE", "FACE_MODEL", "FACE_WEIGHTS", "FACEBOOK", "PATH", "FACE_XYZZY"]
    assert settings.misspelt(environment) == [
        "FACE_MODLE is no setting and is ignored; did you mean FACE_MODEL?",
        "FACE_XYZZY is no setting and is ignored",
    ]


def test_a_host_of_white_space_is_none() -> None:
    assert Settings.model_validate({"FACE_HOST": " "}).host is None
    assert Settings.model_validate({"FACE_HOST": " localhost "}).host == "localhost"
