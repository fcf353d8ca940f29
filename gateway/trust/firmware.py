"""An image of a device's firmware as the operator signs it.

One rule: plain values and pure checks, because operator, child and daemon all
read them; whoever the image is for is said word for word as the device says it.
"""

import re
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import msgspec

from gateway.trust.errors import AlteredError, EndlessDataError, FrozenRepositoryError

ROLE = "firmware"
PATHS = "firmware/*/*/*"
SCHEMA = 1
MAX_MANIFEST_BYTES = 16 * 1024
MAX_IMAGE_BYTES = 16 * 1024 * 1024
MAX_TEXT_CHARS = 64
MAX_REVISIONS = 32
MAX_SEQUENCE = 999_999_999

Kind = Literal["lwm2m", "tasmota"]

_PATH = re.compile(r"firmware/(?P<vendor>[^/.][^/]*)/(?P<model>[^/.][^/]*)/(?P<sequence>[1-9]\d{0,8})\.json")
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NUMBERS = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,7})", re.ASCII)


class SignedFirmware(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one manifest, a target of the role `firmware`, says.

    Attributes:
        schema: Version of this document's shape.
        vendor: As the device reports it (LwM2M resource 3/0/0), exactly.
        model: Likewise (3/0/1).
        hardware: The revisions it is for, as devices report them (3/0/18); an empty text for
            devices that report none.
        sequence: Rises with every image for one of these; never goes back.
        version: What the device reports once it runs the image (3/0/3).
        size: Of the image in bytes.
        sha256: Of the image, small hexadecimal.
        minimum_installed: Lowest version it can be installed over, numbers with dots; empty for any.
        expires: After it nobody begins to install the image.
        link: How it gets to the device.
        image: Path of the target that is the image.
    """

    schema: int = SCHEMA
    vendor: str
    model: str
    hardware: list[str]
    sequence: int
    version: str
    size: int
    sha256: str
    minimum_installed: str = ""
    expires: datetime
    link: Kind
    image: str


class Place(NamedTuple):
    """Which manifest a target is; vendor and model as `slug` makes them."""

    vendor: str
    model: str
    sequence: int


def slug(text: str) -> str:
    """Return `text` as a part of a path; two texts may come out alike, so it proves nothing."""
    return _UNSAFE.sub("_", text)[:MAX_TEXT_CHARS] or "_"


def manifest_path(vendor: str, model: str, sequence: int) -> str:
    """Return where the manifest lies in the repository."""
    return f"firmware/{slug(vendor)}/{slug(model)}/{sequence}.json"


def image_path(vendor: str, model: str, sequence: int) -> str:
    """Return where the image lies in the repository."""
    return f"firmware/{slug(vendor)}/{slug(model)}/{sequence}.bin"


def place_of(path: str) -> Place | None:
    """Return which manifest lies at `path`, `None` if none does."""
    match = _PATH.fullmatch(path)
    return Place(match["vendor"], match["model"], int(match["sequence"])) if match else None


def version_numbers(version: str) -> tuple[int, ...] | None:
    """Return `version` as something to compare, `None` if it is not numbers with dots.

    Whatever follows the numbers, such as Tasmota's ``(tasmota)``, does not count.
    """
    match = _NUMBERS.match(version.strip())
    if match is None:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def read_signed(data: bytes, path: str) -> SignedFirmware:
    """Return the manifest in `data`, which was signed as `path`.

    Raises:
        AlteredError: it is none, or says it is another.
        EndlessDataError: the image is larger than a box takes.
    """
    try:
        said = msgspec.json.decode(data, type=SignedFirmware)
    except (msgspec.DecodeError, ValueError) as error:
        raise AlteredError(f"{path} is not a firmware manifest: {error}") from error
    if said.schema != SCHEMA:
        raise AlteredError(f"{path} has schema {said.schema}, known is {SCHEMA}")
    if path != manifest_path(said.vendor, said.model, said.sequence):
        raise AlteredError(f"{path} is not the image its name says")
    if said.image != image_path(said.vendor, said.model, said.sequence):
        raise AlteredError(f"{path} names an image that is not its own")
    _check_words(said, path)
    if said.size > MAX_IMAGE_BYTES:
        raise EndlessDataError(f"{path} is of an image over {MAX_IMAGE_BYTES} bytes")
    return said


def _check_words(said: SignedFirmware, path: str) -> None:
    for name, text in (("vendor", said.vendor), ("model", said.model), ("version", said.version)):
        if not text.strip() or len(text) > MAX_TEXT_CHARS or not text.isprintable():
            raise AlteredError(f"{path}: {name} must be 1 to {MAX_TEXT_CHARS} characters")
    if not 1 <= len(said.hardware) <= MAX_REVISIONS or any(
        len(text) > MAX_TEXT_CHARS or not text.isprintable() for text in said.hardware
    ):
        raise AlteredError(f"{path}: hardware must be 1 to {MAX_REVISIONS} revisions")
    if said.minimum_installed and version_numbers(said.minimum_installed) is None:
        raise AlteredError(f"{path}: minimum_installed is not numbers with dots")
    if not _SHA256.fullmatch(said.sha256) or said.size < 1 or said.expires.tzinfo is None:
        raise AlteredError(f"{path}: sha256, size or expires is malformed")


def check_fresh(said: SignedFirmware, now: datetime) -> None:
    """Refuse a manifest that is no longer good at `now`.

    Raises:
        FrozenRepositoryError: it has expired.
    """
    if now >= said.expires:
        what = f"firmware {said.version} of {said.vendor} {said.model}"
        expired = said.expires.astimezone(UTC)
        raise FrozenRepositoryError(f"{what} was good until {expired:%Y-%m-%d %H:%M} UTC")
