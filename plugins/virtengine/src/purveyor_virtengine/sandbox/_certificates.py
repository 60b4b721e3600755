"""A throw-away authority, and the certificates of providers: good ones, and those that nobody should accept."""

import shutil
import ssl
import tempfile
import weakref
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Certificate = Literal["none", "good", "other_host", "expired", "stranger"]

_DAY = timedelta(days=1)
_LOOPBACK = x509.IPAddress(IPv4Address("127.0.0.1"))
_ELSEWHERE = x509.DNSName("elsewhere.example.net")
_SIGNS = x509.KeyUsage(
    key_cert_sign=True,
    crl_sign=True,
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    encipher_only=False,
    decipher_only=False,
)
"""What Python 3.13 and later want an authority to say."""


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


class Authority:
    """Vouches for the providers of one sandbox. Its files are gone when it is.

    Attributes:
        ca_file: What clients trust: its own certificate, as PEM.
    """

    def __init__(self) -> None:
        folder = tempfile.mkdtemp(prefix="purveyor-sandbox-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._folder = Path(folder)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = (
            _dated(_name("purveyor sandbox"), self._key.public_key(), _DAY)
            .issuer_name(_name("purveyor sandbox"))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNS, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.ca_file = str(self._folder / "ca.pem")
        Path(self.ca_file).write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, kind: Certificate) -> ssl.SSLContext:
        """What a server on 127.0.0.1 speaks TLS with."""
        if kind == "stranger":
            return Authority().context("good")
        key = ec.generate_private_key(ec.SECP256R1())
        host = _ELSEWHERE if kind == "other_host" else _LOOPBACK
        certificate = (
            _dated(_name("a provider"), key.public_key(), -_DAY / 2 if kind == "expired" else _DAY)
            .issuer_name(self._certificate.subject)
            .add_extension(x509.SubjectAlternativeName([host]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return self._loaded(certificate, key)

    def _loaded(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> ssl.SSLContext:
        pem = serialization.Encoding.PEM
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file = self._folder / "server.pem"
        file.write_bytes(secret + certificate.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        file.unlink()
        return context


def _dated(subject: x509.Name, public: ec.EllipticCurvePublicKey, left: timedelta) -> x509.CertificateBuilder:
    """A certificate that began yesterday, and ends that much later than now: TLS goes by the true time of day."""
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + left)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
