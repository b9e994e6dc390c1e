"""Self-signed A1 certificates for the sandbox's issuers. As with ICP-Brasil's, the common name ends in the CNPJ."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, slots=True)
class Certificate:
    """Both in PEM; the key is not encrypted."""

    key_pem: bytes
    cert_pem: bytes


def new_key() -> rsa.RSAPrivateKey:
    """Of 2048 bits; takes some 100 ms."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def self_signed(
    name: str, cnpj: str, *, now: datetime | None = None, key: rsa.RSAPrivateKey | None = None
) -> Certificate:
    """An RSA key (a new one, unless one is given) and its certificate, valid from yesterday for a year."""
    now = now or datetime.now(UTC)
    key = key or new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name[:49]}:{cnpj}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return Certificate(
        key_pem=key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        cert_pem=certificate.public_bytes(pem),
    )
