"""A line-up as the operator signs it, and as the box keeps it.

One rule: plain values, free of any library, because operator, child and daemon
all read them.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from gateway.trust.errors import AlteredError, KeptAlteredError

ROLE = "lineup"
PATHS = "lineups/*/*"
EVERYWHERE = "all"
SCHEMA = 1
MAX_SIGNED_BYTES = 20 * 1024 * 1024
MAX_HOSTS = 5000

_PATH = re.compile(r"lineups/(?P<area>all|\d{1,12})/(?P<version>[1-9]\d{0,8})\.json")
_AREA = re.compile(r"all|\d{1,12}")


class SignedLineUp(msgspec.Struct, frozen=True, kw_only=True):
    """What one target of the role `lineup` holds.

    Attributes:
        schema: Version of this document's shape.
        version: Rises with every change of this area's line-up.
        area: Beginning of the 12-digit administrative divisions it is for, or ``all``.
        hosts: The only ones its streams may come from; ``*.`` before a name stands for any under it.
        guide: Address of the guide; empty for the one the list names.
        text: The list itself, M3U or TXT.
    """

    schema: int = SCHEMA
    version: int
    area: str
    hosts: list[str]
    guide: str = ""
    text: str


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A line-up together with everything that proves it, from the shipped root on.

    Attributes:
        path: Of the target.
        document: Its bytes.
        roots: Every root of trust after the shipped one, oldest first.
        targets: Who may sign.
        role: What was signed.
    """

    path: str
    document: bytes
    roots: list[bytes]
    targets: bytes
    role: bytes


class Believed(msgspec.Struct, frozen=True, kw_only=True):
    """What the child says of a line-up whose signatures are good.

    Attributes:
        sha256: Of the document in the seal.
        is_new: Whether a seal was written; False if the kept one is the newest.
    """

    version: int
    area: str
    sha256: str
    is_new: bool


class Place(NamedTuple):
    """Which line-up a target is."""

    area: str
    version: int


def is_area(text: str) -> bool:
    """Tell whether `text` is ``all`` or begins administrative divisions."""
    return _AREA.fullmatch(text) is not None


def path_of(area: str, version: int) -> str:
    """Return where the line-up lies in the repository."""
    return f"lineups/{area}/{version}.json"


def place_of(path: str) -> Place | None:
    """Return which line-up lies at `path`, None if none does."""
    match = _PATH.fullmatch(path)
    return Place(match["area"], int(match["version"])) if match else None


def newest_for(area: str, paths: Iterable[str]) -> str | None:
    """Return the path of the newest line-up for the box's `area`: the closest one goes first."""
    fitting = [
        (len(place.area) if place.area != EVERYWHERE else 0, place.version, path)
        for path in paths
        if (place := place_of(path)) and (place.area == EVERYWHERE or area.startswith(place.area))
    ]
    return max(fitting)[2] if fitting else None


def read_signed(data: bytes, place: Place) -> SignedLineUp:
    """Return the document in `data`, which was signed as `place`.

    Raises:
        AlteredError: it is none, or says it is another.
    """
    try:
        document = msgspec.json.decode(data, type=SignedLineUp)
    except (msgspec.DecodeError, ValueError) as error:
        raise AlteredError(f"the signed line-up is not readable: {error}") from error
    if document.schema != SCHEMA or (document.area, document.version) != place:
        raise AlteredError("the signed line-up is not the one its name says")
    if len(document.hosts) > MAX_HOSTS:
        raise AlteredError(f"the signed line-up lists more than {MAX_HOSTS} hosts")
    return document


def read_seal(data: bytes) -> Seal:
    """Return the seal in `data`; nothing of it has been proved by that.

    Raises:
        KeptAlteredError: it is none.
    """
    try:
        return msgspec.json.decode(data, type=Seal)
    except (msgspec.DecodeError, ValueError) as error:
        raise KeptAlteredError("the kept line-up is not readable") from error


def read_believed(data: bytes, believed: Believed) -> SignedLineUp:
    """Return the line-up in the seal `data`, which must be the very one the child has believed.

    Raises:
        KeptAlteredError: it has changed since.
        AlteredError: the document is not readable.
    """
    seal = read_seal(data)
    if hashlib.sha256(seal.document).hexdigest() != believed.sha256:
        raise KeptAlteredError("the kept line-up was changed while it was read")
    return read_signed(seal.document, Place(believed.area, believed.version))
