"""The files of a TLS certificate: faults, validity and renewal."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from service.settings import Settings
from service.web.server import certificate
from service.web.server.certificate import CHECK_SECONDS, Certificate, CertificateError, Files
from tests import certificates
from tests.certificates import Made
from tests.unit.service.conftest import PATIENCE
from tests.unit.service.raw_http import answers, head

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.service.conftest import Server


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return certificates.make(tmp_path_factory.mktemp("other"))


def _files(made: Made) -> Files:
    return Files(made.certificate, made.key)


def _with(made: Made, folder: Path, content: str) -> tuple[Made, Made]:
    """The files with another certificate, and those with another key."""
    path = folder / "content.pem"
    path.write_text(content)
    return replace(made, certificate=path), replace(made, key=path)


def test_needs_both_files_or_none(made: Made) -> None:
    assert certificate.files_of(Settings()) is None
    assert certificate.files_of(Settings.model_validate(made.settings)) == _files(made)
    for name, value in made.settings.items():
        with pytest.raises(CertificateError, match="set both for HTTPS, or none") as fault:
            certificate.files_of(Settings.model_validate({name: value}))
        assert str(fault.value).startswith(f"{name} is set, but ")


def test_accepts_valid_files_and_knows_their_names(made: Made) -> None:
    found = certificate.validity(certificate.load(_files(made)), _files(made))
    assert found.valid
    assert found.sentence.startswith("valid until ")
    assert found.names == ("localhost",)
    assert certificate.names_of(Settings.model_validate(made.settings)) == ("localhost",)


def test_names_the_file_with_a_fault_in_one_line(made: Made, other: Made, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    locked = certificates.make(tmp_path / "locked", passphrase="geheim").key
    no_certificate, no_key = _with(made, tmp_path, "nothing")
    broken = made.certificate.read_text().replace("M", "!")
    for files, named, repair in (
        (replace(made, certificate=missing), missing, "No such file"),
        (replace(made, key=missing), missing, "No such file"),
        (replace(made, key=tmp_path), tmp_path, "Is a directory"),
        (no_certificate, no_certificate.certificate, "no PEM certificate"),
        (no_key, no_key.key, "no PEM private key"),
        (Made(made.key, made.certificate), made.key, "no PEM certificate"),
        (replace(made, key=locked), locked, "has a passphrase"),
        (replace(made, key=other.key), other.key, "belongs to another certificate"),
        (
            _with(made, tmp_path / "locked", broken)[0],
            tmp_path / "locked" / "content.pem",
            "OpenSSL cannot read",
        ),
    ):
        with pytest.raises(CertificateError) as fault:
            certificate.load(_files(files))
        assert str(named) in str(fault.value)
        assert repair in str(fault.value)
        assert "\n" not in str(fault.value)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_names_a_file_that_this_account_cannot_read(made: Made, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    shutil.copy(made.key, key)
    key.chmod(0)
    with pytest.raises(CertificateError, match=f"{key}.* cannot be read by user {os.getuid()}"):
        certificate.load(Files(made.certificate, key))


def test_an_expired_certificate_is_reported_and_still_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A renewal is used without a restart."""
    files = _files(certificates.make(tmp_path, days=-1))
    found = certificate.validity(certificate.load(files), files)
    assert not found.valid
    assert str(files.certificate) in found.sentence
    assert "has expired" in found.sentence
    Certificate(files).log_validity()
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_key_that_no_caller_supports_is_reported(made: Made) -> None:
    context = certificate.load(_files(made))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # as a key of another algorithm than the callers'
    found = certificate.validity(context, _files(made))
    assert not found.valid
    assert found.sentence.endswith("(FACE_TLS_CERTIFICATE) fails in a handshake: no shared cipher.")


def test_uses_renewed_files_and_keeps_the_former_ones_after_a_fault(
    made: Made, other: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "service")
    now = 0.0
    files = Files(tmp_path / "certificate.pem", tmp_path / "key.pem")
    shutil.copy(made.certificate, files.certificate)
    shutil.copy(made.key, files.key)
    served = Certificate(files, lambda: now)
    first = served.context()
    shutil.copy(other.certificate, files.certificate)
    assert served.context() is first  # not checked yet
    now += CHECK_SECONDS
    assert served.context() is first  # of another key
    now += CHECK_SECONDS
    assert served.context() is first
    assert len([record for record in caplog.records if "stays in use" in record.getMessage()]) == 1
    shutil.copy(other.key, files.key)
    now += CHECK_SECONDS
    renewed = served.context()
    assert renewed is not first
    assert "valid until" in caplog.records[-1].getMessage()
    files.key.unlink()
    now += CHECK_SECONDS
    assert served.context() is renewed
    assert "stays in use" in caplog.records[-1].getMessage()


def test_new_connections_get_the_renewed_certificate(
    serving: Server, made: Made, other: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "CHECK_SECONDS", 0)
    files = Made(tmp_path / "certificate.pem", tmp_path / "key.pem")
    for source, target in ((made.certificate, files.certificate), (made.key, files.key)):
        shutil.copy(source, target)
    with (
        serving(**files.settings) as port,
        certificates.connect(port, certificates.trusting(made), PATIENCE) as kept,
    ):
        for source, target in ((other.certificate, files.certificate), (other.key, files.key)):
            shutil.copy(source, target)
        with certificates.connect(port, certificates.trusting(other), PATIENCE):
            pass
        with pytest.raises(ssl.SSLCertVerificationError):
            certificates.connect(port, certificates.trusting(made), PATIENCE)
        kept.sendall(head(b"GET /health", b"Connection: close\r\n"))
        assert [answered.status for answered in answers(kept)] == [200]
