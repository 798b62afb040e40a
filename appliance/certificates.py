"""A certificate authority of the appliance's own, and the certificate that it signs for itself.

It changes no setting and serves nothing. The rule that must not break: an authority that is there
is used again, so that a device that trusts it once goes on trusting, and private keys are readable
by their owner alone.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.errors import SettingsError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_DAYS = 3650
# Phones refuse certificates that last longer.
DAYS = 397
# Clocks of a shop's devices are not all right.
BACKDATED = timedelta(days=1)
CA_NAME = "Appliance CA"


@dataclass(frozen=True, slots=True)
class Files:
    """`authority` is what other devices are told to trust."""

    authority: Path
    certificate: Path
    key: Path
    ends: datetime
    is_authority_new: bool


def make_certificate(folder: Path, names: Sequence[str]) -> Files:
    """Sign a new certificate for `names`, host names and addresses, by the authority of `folder`,
    which is made where there is none. Raises SettingsError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ca_path, ca_key_path = folder / "ca.crt", folder / "ca.key"
    is_new = not ca_path.exists() and not ca_key_path.exists()
    if is_new:
        ca, ca_key = _make_authority()
        _write(ca_key_path, _dump_key(ca_key), 0o600)
        _write(ca_path, _dump(ca), 0o644)
    else:
        ca, ca_key = _read_authority(ca_path, ca_key_path)
    certificate, key = _sign(names, ca, ca_key)
    paths = folder / "server.crt", folder / "server.key"
    _write(paths[1], _dump_key(key), 0o600)
    _write(paths[0], _dump(certificate), 0o644)
    return Files(ca_path, *paths, certificate.not_valid_after_utc, is_new)


def _make_authority() -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_NAME)])
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256()), key


def _sign(
    names: Sequence[str], ca: x509.Certificate, ca_key: EllipticCurvePrivateKey
) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    ends = min(now + timedelta(days=DAYS), ca.not_valid_after_utc)
    server_auth = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_name(name) for name in names]), critical=False)
        .add_extension(server_auth, critical=False)
        .add_extension(issuer_key, critical=False)
    )
    return builder.sign(ca_key, hashes.SHA256()), key


def _name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _read_authority(
    certificate: Path, key: Path
) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        ca = x509.load_pem_x509_certificate(certificate.read_bytes())
        ca_key = serialization.load_pem_private_key(key.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{certificate} and {key} cannot be used: {error}. Remove both to make new ones."
        ) from error
    if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key} is no key of ours. Remove it to make a new one.")
    return ca, ca_key


def _dump(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _dump_key(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    new = path.with_suffix(path.suffix + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
