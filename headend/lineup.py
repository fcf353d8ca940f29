"""Checking a line-up and putting it under the operator's signature.

One rule: it is read with the box's own reader, so that what is checked here is
what the households get.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from tuf.api.metadata import TargetFile, Targets

from gateway.media.lineup import MAX_LINE_UP_BYTES, LineUp
from gateway.media.lineup_read import decoded, parse, repeated
from gateway.trust.errors import AlteredError
from gateway.trust.lineups import (
    MAX_HOSTS,
    ROLE,
    Place,
    SignedLineUp,
    is_area,
    path_of,
    place_of,
    read_signed,
)
from headend.ceremony import Validity, admits
from headend.errors import LineUpFaultError, NoLineUpSignerError, UsageError
from headend.keys import KeyRing
from headend.repository import Repository, in_days, sign


@dataclass(frozen=True, slots=True)
class Checked:
    """What the box will make of a list.

    Attributes:
        text: The list itself, in UTF-8 from now on.
        repeated: Numbers that several channels want, and their names.
        hosts: Every host that a channel or its past programmes are fetched from, sorted.
    """

    text: str
    line_up: LineUp
    repeated: Mapping[int, Sequence[str]]
    hosts: tuple[str, ...]

    @property
    def is_faultless(self) -> bool:
        """Whether every line was understood and every channel keeps its number."""
        return not self.line_up.skipped and not self.repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """How a line-up is published.

    Attributes:
        area: Beginning of the administrative divisions it is for, or ``all``.
        hosts: The only ones its streams may come from; those in the list if empty.
        guide: Address of the guide; empty for the one the list names.
        with_faults: Publish it whatever the check says.
    """

    area: str
    hosts: tuple[str, ...] = ()
    guide: str = ""
    with_faults: bool = False


def check(file: Path) -> Checked:
    """Read the list in `file` as a box would.

    Raises:
        LineUpFaultError: it is too large.
        LineUpError: there is no channel in it.
    """
    if file.stat().st_size > MAX_LINE_UP_BYTES:
        raise LineUpFaultError(f"{file} is larger than {MAX_LINE_UP_BYTES} bytes")
    return check_text(decoded(file.read_bytes()))


def check_text(text: str) -> Checked:
    """Read the list `text` as a box would.

    Raises:
        LineUpError: there is no channel in it.
    """
    line_up = parse(text)
    return Checked(text, line_up, repeated(text), _hosts(line_up))


def stage(
    repository: Repository, ring: KeyRing, checked: Checked, wishes: Wishes, validity: Validity
) -> SignedLineUp:
    """Sign a line-up and stage it; the same one again only gets a fresh date.

    Raises:
        UsageError: the area, a host or the guide's address is malformed.
        LineUpFaultError: the list has faults.
        NoLineUpSignerError: line-ups are not admitted.
        KeyRingError: the key is not in `ring`.
    """
    hosts = _wanted_hosts(checked, wishes)
    delegations = repository.working("targets", Targets).signed.delegations
    if delegations is None or not admits(repository, ROLE):
        raise NoLineUpSignerError("nobody may sign line-ups in this repository")
    metadata = repository.working(ROLE, Targets)
    earlier = _newest(repository, metadata.signed, wishes.area)
    document = SignedLineUp(
        version=earlier.version if earlier else 1,
        area=wishes.area,
        hosts=list(hosts),
        guide=wishes.guide,
        text=checked.text,
    )
    if earlier is not None and document != earlier:
        document = msgspec.structs.replace(document, version=earlier.version + 1)
    data = msgspec.json.encode(document)
    target = TargetFile.from_data(path_of(document.area, document.version), data, ["sha256"])
    repository.add_target_file(target, data)
    for path in [path for path in metadata.signed.targets if _is_of(path, wishes.area)]:
        del metadata.signed.targets[path]
    metadata.signed.targets[target.path] = target
    metadata.signed.expires = in_days(validity.line_up)
    metadata.signatures.clear()
    sign(metadata, (delegations.roles or {})[ROLE], delegations.keys, ring)
    repository.stage(ROLE, metadata)
    return document


def _wanted_hosts(checked: Checked, wishes: Wishes) -> tuple[str, ...]:
    if not is_area(wishes.area):
        raise UsageError(f"{wishes.area!r} is not an area: 1 to 12 digits, or all")
    if wishes.guide and urlsplit(wishes.guide).scheme not in ("http", "https"):
        raise UsageError(f"{wishes.guide!r} is not an http(s) address")
    if not checked.is_faultless and not wishes.with_faults:
        raise LineUpFaultError(
            f"{len(checked.line_up.skipped)} lines are skipped, {len(checked.repeated)} numbers repeated"
        )
    hosts = tuple(sorted({host.lower() for host in wishes.hosts})) or checked.hosts
    if len(hosts) > MAX_HOSTS:
        raise UsageError(f"there are more than {MAX_HOSTS} hosts")
    for host in hosts:
        if "/" in host or " " in host or not host.removeprefix("*."):
            raise UsageError(f"{host!r} is not a host: a name or number without port or path")
    allowed = LineUp(hosts=hosts)
    foreign = [host for host in checked.hosts if not allowed.allows(host)]
    if foreign:
        raise UsageError(f"channels lead to {foreign[0]}, which is not among the hosts")
    return hosts


def _newest(repository: Repository, signed: Targets, area: str) -> SignedLineUp | None:
    """Return what is signed for `area` now, if anything is."""
    known = [
        (place.version, path) for path in signed.targets if (place := place_of(path)) and place.area == area
    ]
    if not known:
        return None
    version, path = max(known)
    [name] = signed.targets[path].get_prefixed_paths()
    try:
        return read_signed((repository.targets / name).read_bytes(), Place(area, version))
    except (OSError, AlteredError):
        # Its number is taken all the same.
        return SignedLineUp(version=version, area=area, hosts=[], text="")


def _is_of(path: str, area: str) -> bool:
    place = place_of(path)
    return place is not None and place.area == area


def _hosts(line_up: LineUp) -> tuple[str, ...]:
    urls = [source.url for channel in line_up.channels for source in channel.sources]
    urls += [channel.catchup.source for channel in line_up.channels if channel.catchup]
    return tuple(sorted({host for url in urls if (host := _host(url))}))


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
