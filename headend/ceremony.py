"""Making a repository and admitting publishers: the acts that need offline keys.

One rule: root and targets need two of three key holders, so that one stolen
key changes nothing.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import DelegatedRole, Delegations, Metadata, Root, Targets

from gateway.trust import firmware, lineups
from headend.errors import NamespaceError, RepositoryStateError, UsageError
from headend.keys import KeyRing
from headend.repository import PUBLISHER, Repository, in_days, sign

_HOLDERS = 3
_THRESHOLD = 2
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PREFIX = re.compile(r"(?:[a-z][a-z0-9_-]*\.){2,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How many days each kind of signature holds.

    Attributes:
        root: The root of trust.
        targets: Who may publish.
        publisher: What a publisher offers.
        snapshot: What belongs together.
        line_up: What the channels are.
        firmware: Which images devices may get.
        timestamp: That this is the newest; refresh it well before.
    """

    root: float = 3650
    targets: float = 365
    publisher: float = 365
    snapshot: float = 30
    line_up: float = 30
    firmware: float = 365
    timestamp: float = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Publisher:
    """Who may offer which apps."""

    name: str
    prefix: str


def create(repository: Repository, ring: KeyRing, validity: Validity) -> None:
    """Make an empty repository with all its keys.

    Raises:
        RepositoryStateError: there is one already.
        KeyRingError: a key of the same name is there already.
    """
    repository.make()
    root = Root(version=1, expires=in_days(validity.root), consistent_snapshot=True)
    for role, count in (("root", _HOLDERS), ("targets", _HOLDERS), ("snapshot", 1), ("timestamp", 1)):
        for holder in range(1, count + 1):
            name = f"{role}-{holder}" if count > 1 else role
            root.add_key(ring.make(name).public_key, role)
        root.roles[role].threshold = _THRESHOLD if count > 1 else 1
    signed_root = Metadata(root)
    sign(signed_root, root.roles["root"], root.keys, ring)
    repository.write_first_root(signed_root)
    top = Metadata(Targets(version=1, expires=in_days(validity.targets)))
    top.signed.delegations = Delegations(keys={}, roles={})
    sign(top, root.roles["targets"], root.keys, ring)
    repository.stage("targets", top)
    publish(repository, ring, validity)


def add_publisher(repository: Repository, ring: KeyRing, publisher: Publisher, validity: Validity) -> None:
    """Stage a role that may offer apps under `publisher.prefix` and nothing else.

    Raises:
        UsageError: the name or the prefix is malformed.
        NamespaceError: the name or a part of the prefix is taken.
    """
    if not _NAME.fullmatch(publisher.name):
        raise UsageError(f"{publisher.name!r} is not a publisher's name: small letters, digits, hyphens")
    if not _PREFIX.fullmatch(publisher.prefix):
        raise UsageError(f"{publisher.prefix!r} is not a prefix such as com.example. with a final dot")
    top = repository.working("targets", Targets)
    for other in listed(top.signed):
        if other.name == publisher.name:
            raise NamespaceError(f"there is a publisher {other.name} already")
        if other.prefix.startswith(publisher.prefix) or publisher.prefix.startswith(other.prefix):
            raise NamespaceError(f"{publisher.prefix} overlaps with {other.prefix} of {other.name}")
    role = PUBLISHER + publisher.name
    signer = ring.make(role)
    delegations = top.signed.delegations or Delegations(keys={}, roles={})
    delegated = DelegatedRole(
        name=role,
        keyids=[],
        threshold=1,
        terminating=True,
        paths=[f"apps/{publisher.prefix}*/*"],
    )
    delegations.roles = {**(delegations.roles or {}), role: delegated}
    top.signed.delegations = delegations
    top.signed.add_key(signer.public_key, role)
    resign_targets(repository, ring, top, expires=in_days(validity.targets))
    own = Metadata(Targets(version=1, expires=in_days(validity.publisher)))
    sign(own, delegated, delegations.keys, ring)
    repository.stage(role, own)


def admits(repository: Repository, role: str) -> bool:
    """Tell whether there is `role`, such as ``lineup`` or ``firmware``, published or staged."""
    delegations = repository.working("targets", Targets).signed.delegations
    return role in ((delegations.roles if delegations else None) or {})


def admit_line_ups(repository: Repository, ring: KeyRing, validity: Validity) -> None:
    """Stage the role that may sign line-ups and nothing else, with a key of its own.

    Raises:
        NamespaceError: there is one already.
    """
    if admits(repository, lineups.ROLE):
        raise NamespaceError("line-ups are admitted already", hint="Run `headend lineup publish`.")
    _admit(repository, ring, lineups.ROLE, lineups.PATHS, (validity.targets, validity.line_up))


def admit_firmware(repository: Repository, ring: KeyRing, validity: Validity) -> None:
    """Stage the role that may sign devices' firmware and nothing else, with a key of its own.

    Raises:
        NamespaceError: there is one already.
    """
    if admits(repository, firmware.ROLE):
        raise NamespaceError("firmware is admitted already", hint="Run `headend firmware publish`.")
    _admit(repository, ring, firmware.ROLE, firmware.PATHS, (validity.targets, validity.firmware))


def _admit(repository: Repository, ring: KeyRing, role: str, paths: str, days: tuple[float, float]) -> None:
    top = repository.working("targets", Targets)
    delegations = top.signed.delegations or Delegations(keys={}, roles={})
    signer = ring.make(role)
    delegated = DelegatedRole(name=role, keyids=[], threshold=1, terminating=True, paths=[paths])
    delegations.roles = {**(delegations.roles or {}), role: delegated}
    top.signed.delegations = delegations
    top.signed.add_key(signer.public_key, role)
    resign_targets(repository, ring, top, expires=in_days(days[0]))
    own = Metadata(Targets(version=1, expires=in_days(days[1])))
    sign(own, delegated, delegations.keys, ring)
    repository.stage(role, own)


def publishers(repository: Repository) -> list[Publisher]:
    """Return everyone who may publish, in the published or staged state."""
    return listed(repository.working("targets", Targets).signed)


def listed(top: Targets) -> list[Publisher]:
    """Return the publishers that `top` delegates to."""
    roles = (top.delegations.roles if top.delegations else None) or {}
    return [
        Publisher(name=name.removeprefix(PUBLISHER), prefix=path.removeprefix("apps/").removesuffix("*/*"))
        for name, role in roles.items()
        if name.startswith(PUBLISHER)
        for path in role.paths or []
    ]


def resign_targets(
    repository: Repository, ring: KeyRing, top: Metadata[Targets], *, expires: datetime
) -> None:
    """Stage `top` with the signatures of the keys at hand."""
    root = repository.published("root", Root).signed
    top.signed.expires = expires
    top.signatures.clear()
    sign(top, root.roles["targets"], root.keys, ring)
    repository.stage("targets", top)


def countersign(repository: Repository, ring: KeyRing, role: str) -> int:
    """Add signatures of the keys at hand to the staged `role`; return how many it has now.

    Raises:
        RepositoryStateError: nothing of that name is staged.
    """
    if role not in repository.staged_roles():
        raise RepositoryStateError(f"nothing is staged for {role}", hint="Stage a change first.")
    metadata = repository.working(role, Targets)
    root = repository.published("root", Root).signed
    if role == "targets":
        sign(metadata, root.roles["targets"], root.keys, ring)
    else:
        delegations = repository.working("targets", Targets).signed.delegations
        if delegations is None or not delegations.roles or role not in delegations.roles:
            raise RepositoryStateError(f"nobody delegates to {role}")
        sign(metadata, delegations.roles[role], delegations.keys, ring)
    repository.stage(role, metadata)
    return len(metadata.signatures)


def publish(repository: Repository, ring: KeyRing, validity: Validity) -> list[str]:
    """Make public what is staged; see `Repository.publish`."""
    return repository.publish(
        ring,
        snapshot_expires=in_days(validity.snapshot),
        timestamp_expires=in_days(validity.timestamp),
    )
