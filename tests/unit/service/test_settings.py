from pathlib import Path

import pytest
from pydantic import ValidationError

from service import settings
from service.messages import QUARANTINE
from service.settings import Settings, SettingsError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings.variables():
        monkeypatch.delenv(variable, raising=False)


def test_reads_upstream_names(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_takes_an_empty_value_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in settings.variables():
        monkeypatch.setenv(variable, "")
    emptied = settings.load()
    for variable in settings.variables():
        monkeypatch.delenv(variable)
    assert emptied == settings.load()


def test_reads_no_variable_of_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    default = settings.load()
    for name in ("HOST", "MODEL", "ENGINE", "STORE", "THREADS", "WORKERS", "port", "LOG_LEVEL"):
        monkeypatch.setenv(name, "7")
    assert settings.load() == default


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("FACE_MODEL", "0", "4 (CNN detector confirmed by HOG"),
        ("FACE_MODEL", "5", "5 is the app's number for every external model; the models are 1 (CNN"),
        ("FACE_MODEL", "7", ": the models are 1 (CNN"),
        ("FACE_MODEL", "hog", ": the models are 1 (CNN"),
        ("FACE_MODEL", "4.0", ": the models are 1 (CNN"),
        ("PORT", "70000", "65535"),
        ("PORT", "http", "a whole number"),
        ("GUNICORN_WORKERS", "-1", "at least 0"),
        ("FACE_MEMORY", "a lot", "such as 2147483648 or 2GiB"),
        ("FACE_MEMORY", "1MB", "at least 384MiB"),
        ("FACE_PATIENCE", "0", "greater than 0"),
        ("FACE_GRACE", "0", "at least 1"),
        ("REQ_TIMEOUT", "-1", "at least 0"),
        ("REQ_TIMEOUT", "inf", "finite"),
        ("REQ_TIMEOUT", "soon", "it has to be a number"),
        ("FACE_ENGINE", "cuda", "'onnx' or 'dlib'"),
        ("FACE_PROVIDERS", "cuda,cpu", "'auto', 'cpu', 'cuda', 'webgpu' or 'openvino'"),
        ("FACE_PRECISION", "float16", "'auto', 'float32' or 'mixed'"),
        ("FACE_SCAN_CHECK", "-1", "at least 0"),
        ("FACE_GPU_MEMORY", "100MB", "at least 512MiB"),
        ("FACE_ORIENTATION", "maybe", "true or false"),
        ("FACE_PREFERRED_MIMETYPE", "image/webp", "'image/jpeg' or 'image/png'"),
        ("FACE_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        ("FACE_MAXIMUM_UPLOAD", "1MB", "a whole number"),
    ],
)
def test_names_variable_value_and_reason_in_one_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refusal:
        settings.load()
    message = str(refusal.value)
    assert message.startswith(f"{variable}={value} ")
    assert hint in message
    assert "Input should" not in message, "pydantic's own words"
    assert "\n" not in message


@pytest.mark.parametrize("variable", ["API_KEY", "FACE_METRICS_KEY"])
@pytest.mark.parametrize("key", ["a\nb", "a\rb", "tab\vtab", "\x1b[31m", "cl\udce9", "\x7f"])
def test_rejects_a_key_that_no_header_can_carry_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, key: str, variable: str
) -> None:
    monkeypatch.setenv(variable, key)
    with pytest.raises(
        SettingsError, match=rf"^{variable} is not possible: no HTTP header can carry it"
    ) as refusal:
        settings.load()
    assert key not in str(refusal.value)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("localhost:4318", "such as http://localhost:4318"),
        ("grpc://localhost:4317", "such as http://localhost:4318"),
        ("http://", "such as http://localhost:4318"),
        ("http://localhost:http", "such as http://localhost:4318"),
        ("http://[::1", "such as http://localhost:4318"),
        ("http://user:secret@localhost", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://localhost/?key=secret", "OTEL_EXPORTER_OTLP_HEADERS"),
    ],
)
def test_rejects_an_address_of_no_collector_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, address: str, hint: str
) -> None:
    monkeypatch.setenv("FACE_TRACES", address)
    with pytest.raises(SettingsError, match=r"^FACE_TRACES is not possible: ") as refusal:
        settings.load()
    assert hint in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("address", ["http://localhost:4318", "https://[fd00::7]/otlp/v1/traces"])
def test_accepts_the_address_of_a_collector(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("FACE_TRACES", address)
    assert settings.load().traces == address


def test_rejects_a_blank_key_of_the_metrics_which_would_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACE_METRICS_KEY", " \t")
    with pytest.raises(SettingsError, match=r"^FACE_METRICS_KEY is not possible: it has to have a character"):
        settings.load()


def test_accepts_white_space_around_a_key_and_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_shows_a_value_in_one_bounded_line(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as refusal:
        settings.load()
    assert shown in str(refusal.value)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


def test_settings_are_immutable_and_hide_the_key() -> None:
    given = Settings.model_validate({"API_KEY": "very secret", "FACE_METRICS_KEY": "very secret too"})
    with pytest.raises(ValidationError):
        given.port = 1
    assert "very secret" not in repr(given) + str(given)


def test_reports_unknown_variables_with_the_closest_name() -> None:
    environment = ["FACE_MODLE", "FACE_MODEL", "FACE_WEIGHTS", "FACEBOOK", "PATH", "FACE_FOO", "FACE_PORT"]
    assert QUARANTINE not in settings.variables()
    assert settings.unknown_variables([QUARANTINE])  # the supervisor's, which an operator's would look like
    assert settings.unknown_variables(environment) == [
        "FACE_FOO is no setting and is ignored",
        "FACE_MODLE is no setting and is ignored; did you mean FACE_MODEL?",
        "FACE_PORT is no setting and is ignored; did you mean PORT?",
    ]


def test_strips_the_host() -> None:
    assert Settings.model_validate({"FACE_HOST": " "}).host is None
    assert Settings.model_validate({"FACE_HOST": " localhost "}).host == "localhost"
