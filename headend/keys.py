"""The operator's private keys, one file each.

One rule: a key that is written without a passphrase was asked for by name
(`KeyRing(..., passphrase=None)`, ``--insecure-no-passphrase``); nothing falls
back to it.
"""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from headend.errors import KeyRingError

MAX_KEY_BYTES = 16 * 1024


class KeyRing:
    """A folder of Ed25519 keys, ``NAME.pem``, PKCS 8, mode 0600."""

    def __init__(self, folder: Path, passphrase: bytes | None) -> None:
        """Use `folder`.

        Args:
            folder: Made when the first key is.
            passphrase: Protects every key in it; `None` leaves them open (for a demo only).
        """
        self._folder = folder
        self._passphrase = passphrase

    def make(self, name: str) -> CryptoSigner:
        """Make the key `name` and return its signer.

        Raises:
            KeyRingError: there is one already.
        """
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private = Ed25519PrivateKey.generate()
        protection: KeySerializationEncryption = (
            BestAvailableEncryption(self._passphrase) if self._passphrase else NoEncryption()
        )
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
        try:
            descriptor = os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise KeyRingError(f"{self._path(name)} is there already", hint="Use another folder.") from error
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        return CryptoSigner(private)

    def signers(self) -> dict[str, CryptoSigner]:
        """Return a signer for every key here, by the key's identifier.

        Raises:
            KeyRingError: a key cannot be opened.
        """
        found = {}
        for path in sorted(self._folder.glob("*.pem")):
            signer = self._open(path)
            found[signer.public_key.keyid] = signer
        if not found:
            raise KeyRingError(f"there are no keys in {self._folder}")
        return found

    def _open(self, path: Path) -> CryptoSigner:
        if path.stat().st_size > MAX_KEY_BYTES:
            raise KeyRingError(f"{path} is too large for a key")
        try:
            private = load_pem_private_key(path.read_bytes(), self._passphrase)
        except TypeError as error:  # cryptography's word for "protected, or not, against expectation"
            needed = "needs a passphrase" if self._passphrase is None else "has no passphrase"
            raise KeyRingError(f"{path} {needed}") from error
        except ValueError as error:
            raise KeyRingError(f"{path} does not open: wrong passphrase or damaged") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyRingError(f"{path} is not an Ed25519 key")
        return CryptoSigner(private)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"
