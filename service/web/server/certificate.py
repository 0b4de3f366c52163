"""The server's TLS certificate: PEM files of the settings, checked at the start and loaded again after a renewal."""

import logging
import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.rate_limited_warning import RateLimitedWarning
from service.settings import Settings
from service.text import printable
from service.web.server.listening import ListenError

log = logging.getLogger(__name__)

CHECK_SECONDS = 60.0
"""Seconds between two checks of the files for a renewal."""


class CertificateError(ListenError):
    """The certificate or its key cannot be used. The one-line message names the file and the repair."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


@dataclass(frozen=True)
class Files:
    """The files of the settings FACE_TLS_CERTIFICATE and FACE_TLS_KEY."""

    certificate: Path
    key: Path

    @property
    def version(self) -> tuple[tuple[int, int, int], ...]:
        """Time, size and inode of both. Raises OSError."""
        statuses = (self.certificate.stat(), self.key.stat())
        return tuple((status.st_mtime_ns, status.st_size, status.st_ino) for status in statuses)


class Certificate:
    """The TLS context of new connections. Raises CertificateError for files that cannot be used."""

    def __init__(self, files: Files, clock: Callable[[], float] = time.monotonic) -> None:
        self._files = files
        self._clock = clock
        self._context = load(files)
        self._version: object = files.version
        self._checked = clock()
        self.failures = RateLimitedWarning(log)
        """Warning about connections that fail in TLS, without an address."""

    def context(self) -> ssl.SSLContext:
        """The context, from renewed files if they have changed. If those cannot be used, the former stays in use."""
        if self._clock() >= self._checked + CHECK_SECONDS:
            self._checked = self._clock()
            try:
                self._renew()
            except (CertificateError, OSError) as error:
                log.warning("the former TLS certificate stays in use: %s", error)
        return self._context

    def _renew(self) -> None:
        version = self._files.version
        if version == self._version:
            return
        self._version = version  # so that a fault is logged once
        self._context = load(self._files)
        self.log_validity()

    def log_validity(self) -> None:
        """Log until when the certificate is valid, or why it is not."""
        found = validity(self._context, self._files)
        log.log(
            logging.INFO if found.valid else logging.WARNING,
            "HTTPS with the certificate %s: %s",
            self._files.certificate,
            found.sentence,
        )


def files_of(settings: Settings) -> Files | None:
    """The files of the settings; None without TLS. Raises CertificateError if one of the two is not set."""
    certificate, key = settings.tls_certificate, settings.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        names = ("FACE_TLS_CERTIFICATE", "FACE_TLS_KEY")
        given, missing = names if key is None else names[::-1]
        raise CertificateError(f"{given} is set, but {missing} is not: set both for HTTPS, or none.")
    return Files(certificate, key)


def load(files: Files) -> ssl.SSLContext:
    """A server's context: TLS 1.2 or 1.3, with Python's default ciphers. Raises CertificateError."""
    certificate = _read("FACE_TLS_CERTIFICATE", files.certificate)
    key = _read("FACE_TLS_KEY", files.key)
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        raise CertificateError(
            f"The file {files.certificate} (FACE_TLS_CERTIFICATE) is no PEM certificate: it has to contain the line "
            "-----BEGIN CERTIFICATE-----. A DER file is converted by `openssl x509 -inform DER`."
        )
    if b"PRIVATE KEY-----" not in key:
        raise CertificateError(
            f"The file {files.key} (FACE_TLS_KEY) is no PEM private key: it has to contain a line "
            "-----BEGIN ... PRIVATE KEY-----."
        )
    if b"ENCRYPTED" in key:
        raise CertificateError(
            f"The private key {files.key} (FACE_TLS_KEY) has a passphrase: store it without one, by `openssl pkey`."
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    # The app opens a connection for each photo and resumes none; tickets would only weaken forward secrecy.
    context.num_tickets = 0
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            reason = "the key belongs to another certificate: name the two files of one certificate"
        else:
            reason = f"OpenSSL cannot read them ({error.reason or error}): write both files again"
        raise CertificateError(
            f"The certificate {files.certificate} (FACE_TLS_CERTIFICATE) and the key {files.key} (FACE_TLS_KEY) do not "
            f"fit: {reason}."
        ) from None
    return context


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(
            f"The file {path} ({variable}) cannot be read by user {os.getuid()}, the user of this service: "
            f"{error.strerror}."
        ) from None


def trusting(certificate: Path) -> ssl.SSLContext:
    """A caller's context that trusts a server's own certificate, whatever its names. Raises CertificateError."""
    _read("FACE_TLS_CERTIFICATE", certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(certificate)
    return context


@dataclass(frozen=True)
class Validity:
    """Fields of the certificate for a caller that trusts it."""

    valid: bool
    sentence: str
    names: tuple[str, ...] = ()
    """DNS names of the certificate."""


def validity(context: ssl.SSLContext, files: Files) -> Validity:
    """The validity of a certificate, by a handshake in memory with a client that trusts it. Raises OSError."""
    client = trusting(files.certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), context.wrap_bio(to_server, to_client, server_side=True))
    pending = True
    while pending:
        pending = False
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pending = True
            except ssl.SSLError as error:
                return Validity(False, _fault(files.certificate, error))
    seen: dict[str, Any] = ends[0].getpeercert() or {}
    names = tuple(name for kind, name in seen.get("subjectAltName", ()) if kind == "DNS")
    return Validity(True, f"valid until {seen.get('notAfter')}", names)


def names_of(settings: Settings) -> tuple[str, ...]:
    """DNS names of the certificate, without wildcards; none if it cannot be read."""
    try:
        files = files_of(settings)
        names = () if files is None else validity(load(files), files).names
    except (CertificateError, OSError):
        return ()
    return tuple(name for name in names if "*" not in name)


_FAULTS = {
    10: "has expired: renew it; callers refuse it",
    9: "is not valid yet: set the clock of this machine, or wait",
}
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""


def _fault(path: Path, error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = _FAULTS.get(error.verify_code, f"is refused by callers: {error.verify_message}")
    else:
        reason = f"fails in a handshake: {(error.reason or str(error)).replace('_', ' ').lower()}"
    return f"The certificate {path} (FACE_TLS_CERTIFICATE) {reason}."
