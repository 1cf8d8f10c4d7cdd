"""A certificate for loopback, made for one run, and the authorities that its clients trust beside it."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import botocore
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_AUTHORITIES = Path(botocore.__file__).with_name("cacert.pem")


class Certificate(NamedTuple):
    """Three files: what a server shows, its key, and what a client trusts."""

    shown: Path
    key: Path
    trusted: Path

    def environment(self) -> dict[str, str]:
        """Return the variables by which OpenSSL (`ssl.create_default_context`), botocore and requests trust it."""
        trusted = str(self.trusted)
        return {"SSL_CERT_FILE": trusted, "AWS_CA_BUNDLE": trusted, "REQUESTS_CA_BUNDLE": trusted}


def make(folder: Path) -> Certificate:
    """Make one that signs itself; trusted beside all authorities, since reading them is part of what TLS costs."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    shown = certificate.public_bytes(serialization.Encoding.PEM)
    files = Certificate(folder / "shown.pem", folder / "key.pem", folder / "trusted.pem")
    files.shown.write_bytes(shown)
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    files.trusted.write_bytes(_AUTHORITIES.read_bytes() + shown)
    return files
