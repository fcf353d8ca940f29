"""OSCORE (RFC 8613): keys from a shared secret, and sealing what goes between two CoAP peers.  Pure.

One rule: a nonce is an id and a number, and whoever seals says both; numbers
that were never used before come from `gateway.iot.oscore_numbers`.

AES-CCM-16-64-128 and HKDF with SHA-256 only, which every peer must have
(sections 3.2.1 and 11).
"""

from dataclasses import dataclass, field
from typing import ClassVar, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.errors import BadInputError
from gateway.iot.coap_cbor import encode_cbor

MAX_NUMBER: Final = 2**40 - 1
MAX_ID_BYTES: Final = 7
_AES_CCM_16_64_128 = 10
_KEY_BYTES = 16
_NONCE_BYTES = 13
_TAG_BYTES = 8
_NUMBER_BYTES = 5
_HAS_KID = 0b1000
_HAS_KID_CONTEXT = 0b10000
_NUMBER_LENGTH = 0b111


class SealError(BadInputError):
    """A sealed message cannot be opened: cut short, changed, or of another key."""

    code: ClassVar[str] = "IOT-715"
    hint = "Give the device the credentials that were made for it; make new ones if they are lost."


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """What both peers were given (section 3.2), as one of them holds it; the other has the ids swapped.

    Raises:
        ValueError: an id is too long, or both are the same.
    """

    master_secret: bytes = field(repr=False)
    master_salt: bytes = field(repr=False)
    sender_id: bytes
    recipient_id: bytes
    id_context: bytes | None = None

    def __post_init__(self) -> None:
        if max(len(self.sender_id), len(self.recipient_id)) > MAX_ID_BYTES:
            raise ValueError(f"an id has more than {MAX_ID_BYTES} bytes")
        if self.sender_id == self.recipient_id:
            raise ValueError("both ids are the same")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a nonce was taken: who took it, and his number as it stands in the message."""

    kid: bytes
    number: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The OSCORE option (section 6.1); a response may have nothing in it.

    Attributes:
        number: The Partial IV, big-endian without leading zeros, empty if there is none.
        kid: Whose key it is sealed with, `None` if not said.
        kid_context: Another name beside `kid`, `None` if not said.
    """

    number: bytes = b""
    kid: bytes | None = None
    kid_context: bytes | None = None

    def encode(self) -> bytes:
        """Return the option's value."""
        flags = len(self.number)
        if self.kid is not None:
            flags |= _HAS_KID
        if self.kid_context is not None:
            flags |= _HAS_KID_CONTEXT
        if not flags:
            return b""
        context = b"" if self.kid_context is None else bytes([len(self.kid_context)]) + self.kid_context
        return bytes([flags]) + self.number + context + (self.kid or b"")


def parse_header(value: bytes) -> Header:
    """Return what an OSCORE option says.

    Raises:
        SealError: it is cut short, or of a kind that is not known (section 6.1).
    """
    if not value:
        return Header()
    flags, rest = value[0], value[1:]
    length = flags & _NUMBER_LENGTH
    if flags >= 1 << 5 or length > _NUMBER_BYTES:
        raise SealError("an OSCORE option of an unknown kind")
    number, rest = _split(rest, length)
    kid_context = None
    if flags & _HAS_KID_CONTEXT:
        size, rest = _split(rest, 1)
        kid_context, rest = _split(rest, size[0])
    if not flags & _HAS_KID and rest:
        raise SealError("bytes left over in an OSCORE option")
    return Header(number=number, kid=rest if flags & _HAS_KID else None, kid_context=kid_context)


class Keys:
    """The keys that two peers derive from their secret, as one of them uses them."""

    def __init__(self, secret: Secret) -> None:
        self.sender_id = secret.sender_id
        self.recipient_id = secret.recipient_id
        self.sender_key = _derive(secret, secret.sender_id, "Key", _KEY_BYTES)
        self.recipient_key = _derive(secret, secret.recipient_id, "Key", _KEY_BYTES)
        self.common_iv = _derive(secret, b"", "IV", _NONCE_BYTES)
        self._seals = AESCCM(self.sender_key, tag_length=_TAG_BYTES)
        self._opens = AESCCM(self.recipient_key, tag_length=_TAG_BYTES)

    def seal(self, plaintext: bytes, nonce: Place, request: Place) -> bytes:
        """Return `plaintext` sealed as part of the exchange that `request` began."""
        return self._seals.encrypt(self._nonce(nonce), plaintext, _associated(request))

    def open(self, ciphertext: bytes, nonce: Place, request: Place) -> bytes:
        """Return what the other peer sealed.

        Raises:
            SealError: it did not seal this, or not for this exchange.
        """
        try:
            return self._opens.decrypt(self._nonce(nonce), ciphertext, _associated(request))
        except (InvalidTag, ValueError) as bad:
            raise SealError("a message was changed, or sealed with another key") from bad

    def _nonce(self, place: Place) -> bytes:
        # Section 5.2.
        kid = place.kid.rjust(_NONCE_BYTES - 1 - _NUMBER_BYTES, b"\0")
        parts = bytes([len(place.kid)]) + kid + place.number.rjust(_NUMBER_BYTES, b"\0")
        return bytes(a ^ b for a, b in zip(parts, self.common_iv, strict=True))


def number_bytes(number: int) -> bytes:
    """Return `number` as a Partial IV: big-endian, no leading zeros, one byte at least."""
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8))


def _derive(secret: Secret, kid: bytes, kind: str, size: int) -> bytes:
    # Section 3.2.1.
    info = encode_cbor([kid, secret.id_context, _AES_CCM_16_64_128, kind, size])
    return HKDF(SHA256(), size, secret.master_salt, info).derive(secret.master_secret)


def _associated(request: Place) -> bytes:
    # Section 5.4.
    external = encode_cbor([1, [_AES_CCM_16_64_128], request.kid, request.number, b""])
    return encode_cbor(["Encrypt0", b"", external])


def _split(data: bytes, at: int) -> tuple[bytes, bytes]:
    if at > len(data):
        raise SealError("an OSCORE option is cut short")
    return data[:at], data[at:]
