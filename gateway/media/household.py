"""Who lives here: members, the channels they like, and what holds for all.

One rule: what somebody was told is set is on the disk; the state in memory
follows it, never the other way round.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from gateway.errors import BadInputError
from gateway.media.lineup import ChannelId
from gateway.pubsub import Publisher
from gateway.store import Store

MAX_MEMBERS = 12
MAX_FAVOURITES = 1000
_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE household_member (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, child INTEGER NOT NULL, place INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE household_favourite (
        member TEXT NOT NULL REFERENCES household_member (id) ON DELETE CASCADE,
        place INTEGER NOT NULL, channel TEXT NOT NULL,
        PRIMARY KEY (member, place)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE household (
        only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
        current TEXT, levelling INTEGER NOT NULL, share_viewing INTEGER NOT NULL
    ) STRICT;
    """,
)


class UnknownMemberError(BadInputError):
    """Nobody of that name lives here."""

    code: ClassVar[str] = "TV-611"
    hint = "Look at the list of members; it may have changed."


class MemberError(BadInputError):
    """A member cannot be like that."""

    code: ClassVar[str] = "TV-612"
    hint = "Use 1 to 32 letters, digits, dashes or underscores as the id, and at most 12 members."


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Somebody of the household.

    Attributes:
        child: The child lock applies.
        favourites: In their own order.
    """

    id: str
    name: str
    child: bool = False
    favourites: tuple[ChannelId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdState:
    """The household now.

    Attributes:
        current: Who is watching; None is everybody.
        levelling: Whether loudness is evened out between programmes.
        share_viewing: Whether the operator may see what was watched and how well it came.
    """

    members: tuple[Member, ...] = ()
    current: str | None = None
    levelling: bool = False
    share_viewing: bool = False

    def member(self, member: str | None) -> Member | None:
        """Return the member with that id, or None."""
        return next((each for each in self.members if each.id == member), None)


class Household:
    """Keeps it; a service.

    Attributes:
        state: The household now.
        changes: Every next `state`.
    """

    def __init__(self, store: Store) -> None:
        self.state = HouseholdState()
        self.changes: Publisher[HouseholdState] = Publisher()
        self._store = store

    async def run(self, ready: Callable[[], None]) -> None:
        """Know what was set before; live until cancelled."""
        self._become(await self._store.read(_load))
        ready()
        await asyncio.Event().wait()

    async def put(self, member: Member) -> None:
        """Add a member, or change one; favourites stay in the given order, each once.

        Raises:
            MemberError: the id or the number of members or favourites is not possible.
            StoreError: it could not be kept.
        """
        if not _ID.fullmatch(member.id) or not member.name.strip():
            raise MemberError("This id or name is not possible")
        if len(member.favourites) > MAX_FAVOURITES:
            raise MemberError(f"More than {MAX_FAVOURITES} favourites")
        member = replace(member, name=member.name.strip(), favourites=tuple(dict.fromkeys(member.favourites)))
        known = self.state.member(member.id)
        if known is None and len(self.state.members) >= MAX_MEMBERS:
            raise MemberError(f"There are {MAX_MEMBERS} members already")
        await self._store.write(lambda db: _put(db, member))
        self._become(await self._store.read(_load))

    async def remove(self, member: str) -> None:
        """Forget a member; who was watching becomes everybody.

        Raises:
            UnknownMemberError: there is none.
            StoreError: it could not be written.
        """
        if self.state.member(member) is None:
            raise UnknownMemberError("There is no such member")
        await self._store.write(lambda db: _remove(db, member))
        self._become(await self._store.read(_load))

    async def set(
        self, *, current: str | None, levelling: bool | None = None, share_viewing: bool | None = None
    ) -> None:
        """Set who is watching and, where given, what holds for all.

        Raises:
            UnknownMemberError: `current` is nobody.
            StoreError: it could not be kept.
        """
        if current is not None and self.state.member(current) is None:
            raise UnknownMemberError("There is no such member")
        state = replace(
            self.state,
            current=current,
            levelling=self.state.levelling if levelling is None else levelling,
            share_viewing=self.state.share_viewing if share_viewing is None else share_viewing,
        )
        await self._store.write(lambda db: _set(db, state))
        self._become(await self._store.read(_load))

    def _become(self, state: HouseholdState) -> None:
        if state != self.state:
            self.state = state
            self.changes.publish(state)


def _load(db: sqlite3.Connection) -> HouseholdState:
    row = db.execute("SELECT current, levelling, share_viewing FROM household").fetchone()
    current, levelling, share = row or (None, 0, 0)
    members = tuple(
        Member(id=member, name=name, child=bool(child), favourites=tuple(_favourites(db, member)))
        for member, name, child in db.execute(
            "SELECT id, name, child FROM household_member ORDER BY place, id"
        )
    )
    known = any(member.id == current for member in members)
    return HouseholdState(
        members=members,
        current=current if known else None,
        levelling=bool(levelling),
        share_viewing=bool(share),
    )


def _favourites(db: sqlite3.Connection, member: str) -> Sequence[ChannelId]:
    rows = db.execute("SELECT channel FROM household_favourite WHERE member = ? ORDER BY place", (member,))
    return [ChannelId(channel) for (channel,) in rows]


def _put(db: sqlite3.Connection, member: Member) -> None:
    db.execute(
        "INSERT INTO household_member VALUES (?1, ?2, ?3, "
        "(SELECT COALESCE(MAX(place), 0) + 1 FROM household_member)) "
        "ON CONFLICT (id) DO UPDATE SET name = ?2, child = ?3",
        (member.id, member.name, int(member.child)),
    )
    db.execute("DELETE FROM household_favourite WHERE member = ?", (member.id,))
    db.executemany(
        "INSERT INTO household_favourite VALUES (?, ?, ?)",
        [(member.id, place, channel) for place, channel in enumerate(member.favourites)],
    )


def _remove(db: sqlite3.Connection, member: str) -> None:
    db.execute("DELETE FROM household_favourite WHERE member = ?", (member,))
    db.execute("DELETE FROM household_member WHERE id = ?", (member,))
    db.execute("UPDATE household SET current = NULL WHERE current = ?", (member,))


def _set(db: sqlite3.Connection, state: HouseholdState) -> None:
    db.execute(
        "INSERT OR REPLACE INTO household VALUES (1, ?, ?, ?)",
        (state.current, int(state.levelling), int(state.share_viewing)),
    )
