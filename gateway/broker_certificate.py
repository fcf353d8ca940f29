"""The certificate by which devices know this box's broker from another.

One rule: the authority is made once and stays, because devices were given it;
what it vouches for is made anew whenever the box's names or addresses change.

Each is one file with key and certificate together, so that a power cut leaves
a pair or nothing.
"""

import ipaddress
import logging
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.disk import replace_private_file

log = logging.getLogger(__name__)

VALID = timedelta(days=3652)
RENEW_BEFORE = timedelta(days=366)
KNOWN_AS = ("gateway.local", "localhost")
# A box without a battery for its clock starts in 1970: a certificate of that day would have ended.
_EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
_BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
# TEST-NET-1 (RFC 5737) and the documentation prefix (RFC 3849): asking for the way there sends nothing.
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_LOOPBACK = ("127.0.0.1", "::1")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the broker presents, and what a device must be given to believe it.

    Attributes:
        file: Key, certificate and authority's certificate, PEM; for the broker only.
        ca_pem: The authority's certificate.
        ca_sha256: Its fingerprint: SHA-256 of the DER form, 64 small hexadecimal digits.
    """

    file: Path
    ca_pem: str
    ca_sha256: str


def certificate(folder: Path, box: str, *, now: datetime | None = None) -> Certificate:
    """Return the box's certificate, made or renewed if need be.

    Args:
        folder: Ours alone; made if it is not there.
        box: The box's own name, one of those the certificate is for.
        now: Timezone-aware; the clock's if not given.
    """
    now = max(now or datetime.now(UTC), _EARLIEST)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    authority = _read(folder / "ca.pem")
    if authority is None or _ends_soon(authority, now):
        authority = _make_authority(box, now)
        _write(folder / "ca.pem", authority)
        log.info("The box has a new certificate authority: devices that use TLS must be given it")
    names, addresses = _own_names(box), _own_addresses()
    server = _read(folder / "server.pem")
    if server is None or not _is_good(server, authority, names, addresses, now):
        server = _make_server(authority, names, addresses, now)
        _write(folder / "server.pem", server, authority.certificate)
    return Certificate(
        file=folder / "server.pem",
        ca_pem=authority.certificate.public_bytes(Encoding.PEM).decode("ascii"),
        ca_sha256=authority.certificate.fingerprint(hashes.SHA256()).hex(),
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def _read(path: Path) -> _Pair | None:
    """Return what is in `path`; `None` if it is not there, damaged, or not a pair."""
    try:
        data = path.read_bytes()
        key = load_pem_private_key(data, None)
        found = x509.load_pem_x509_certificate(data)
    except (OSError, ValueError, TypeError):
        return None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or found.public_key() != key.public_key():
        return None
    return _Pair(key, found)


def _write(path: Path, pair: _Pair, *chain: x509.Certificate) -> None:
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    shown = b"".join(each.public_bytes(Encoding.PEM) for each in (pair.certificate, *chain))
    replace_private_file(path, key + shown)


def _ends_soon(pair: _Pair, now: datetime) -> bool:
    return pair.certificate.not_valid_after_utc - now < RENEW_BEFORE


def _is_good(
    server: _Pair, authority: _Pair, names: set[str], addresses: set[_Address], now: datetime
) -> bool:
    try:
        server.certificate.verify_directly_issued_by(authority.certificate)
        shown = server.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, x509.ExtensionNotFound, InvalidSignature):
        return False
    return (
        not _ends_soon(server, now)
        and set(shown.get_values_for_type(x509.DNSName)) >= names
        and set(shown.get_values_for_type(x509.IPAddress)) >= addresses
    )


def _make_authority(box: str, now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{box} authority"[:64])])
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
    made = (
        _begun(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Pair(key, made)


def _make_server(authority: _Pair, names: set[str], addresses: set[_Address], now: datetime) -> _Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names)]
    alternatives += [x509.IPAddress(address) for address in sorted(addresses, key=str)]
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, KNOWN_AS[0])])
    issuer = authority.certificate
    made = (
        _begun(name, issuer.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return _Pair(key, made)


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A device whose clock is behind ours must not find that it is not valid yet.
        .not_valid_before(_BEGIN)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _own_names(box: str) -> set[str]:
    return {name.lower() for name in (box, socket.gethostname(), *KNOWN_AS) if name.isascii() and name}


def _own_addresses() -> set[_Address]:
    found = {ipaddress.ip_address(address) for address in _LOOPBACK}
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.add(ipaddress.ip_address(probe.getsockname()[0]))
        except OSError:  # no way out by this family
            continue
    return found
