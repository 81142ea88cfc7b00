"""The certificate and key of a server that speaks TLS itself."""

import ssl
from dataclasses import dataclass
from pathlib import Path


class BadCertificate(Exception):
    """The certificate or its key can't be used; the message names the file."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """Two PEM files: the certificate, with its chain, and its private key."""

    cert: Path
    key: Path


def check(certificate: Certificate) -> None:
    """Load both files as a server would. Raises ``BadCertificate`` and ``OSError``."""
    for file in (certificate.cert, certificate.key):
        file.read_bytes()  # the error of a file that can't be read names it; that of ssl doesn't
    if not _holds_certificate(certificate.cert):
        raise BadCertificate(f"{certificate.cert} is not a PEM certificate")
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.cert, certificate.key, password=_no_password)
    except _Encrypted:
        raise BadCertificate(
            f"the key in {certificate.key} has a password; allowed: keys without"
            " (openssl pkey -in FILE -out NEW takes it off)"
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            said = f"the key in {certificate.key} is not that of the certificate in"
            raise BadCertificate(f"{said} {certificate.cert}") from error
        raise BadCertificate(f"{certificate.key} is not a PEM key: {error.reason}") from error


class _Encrypted(Exception):
    """A password was asked for."""


def _no_password() -> str:
    raise _Encrypted


def _holds_certificate(file: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True
