"""Who lives here, and what they like."""

from typing import Protocol

from litestar import delete, get, put
from litestar.handlers.base import BaseRouteHandler
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from gateway.media.child_lock import LockHoldsError
from gateway.media.household import HouseholdState, Member
from gateway.media.lineup import ChannelId
from gateway.ui import documents_watching as doc
from gateway.ui.api.body import Body
from gateway.ui.problems import answers


class Household(Protocol):
    """See `gateway.media.household.Household`."""

    @property
    def state(self) -> HouseholdState: ...
    async def put(self, member: Member) -> None: ...
    async def remove(self, member: str) -> None: ...
    async def set(
        self, *, current: str | None, levelling: bool | None = None, share_viewing: bool | None = None
    ) -> None: ...


class Lock(Protocol):
    """See `gateway.media.child_lock.ChildLock`."""

    def holds(self) -> bool: ...


def handlers(household: Household, lock: Lock) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/household``."""

    @get("/api/v1/household", responses=answers())
    async def get_household() -> doc.Household:
        """The members, who is watching, and what holds for all."""
        return _household(household.state)

    @put("/api/v1/household", dto=Body[doc.PutHousehold], return_dto=None, responses=answers())
    async def put_household(data: JSONBody[doc.PutHousehold]) -> doc.Household:
        """Say who is watching, and what holds for all; what is left out stays."""
        state = household.state
        current = state.current if data.current is UNSET else data.current
        member = state.member(current)
        if current != state.current and not (member is not None and member.child):
            _only_when_open(lock)
        await household.set(
            current=current,
            levelling=None if data.levelling is UNSET else data.levelling,
            share_viewing=None if data.share_viewing is UNSET else data.share_viewing,
        )
        return _household(household.state)

    @put(
        "/api/v1/household/members/{member:str}",
        dto=Body[doc.PutMember],
        return_dto=None,
        responses=answers(),
    )
    async def put_member(member: FromPath[str], data: JSONBody[doc.PutMember]) -> doc.Member:
        """Add somebody, or change them; favourites that are left out stay."""
        known = household.state.member(member)
        if known is None or data.child != known.child:
            _only_when_open(lock)
        kept = known.favourites if known else ()
        favourites = kept if data.favourites is UNSET else tuple(map(ChannelId, data.favourites))
        await household.put(Member(id=member, name=data.name, child=data.child, favourites=favourites))
        found = household.state.member(member)
        return _member(found or Member(id=member, name=data.name))

    @delete("/api/v1/household/members/{member:str}", status_code=204, responses=answers())
    async def remove_member(member: FromPath[str]) -> None:
        """Forget somebody, and what they liked."""
        _only_when_open(lock)
        await household.remove(member)

    return [get_household, put_household, put_member, remove_member]


def _only_when_open(lock: Lock) -> None:
    if lock.holds():
        raise LockHoldsError("The child lock is closed")


def _household(state: HouseholdState) -> doc.Household:
    return doc.Household(
        members=[_member(member) for member in state.members],
        current=state.current,
        levelling=state.levelling,
        share_viewing=state.share_viewing,
    )


def _member(member: Member) -> doc.Member:
    return doc.Member(id=member.id, name=member.name, child=member.child, favourites=list(member.favourites))
