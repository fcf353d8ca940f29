"""Programmes the household wants to be told about."""

from collections.abc import Sequence
from typing import Annotated, Protocol

from litestar import delete, get, post
from litestar.handlers.base import BaseRouteHandler
from litestar.params import JSONBody, PathParameter

from gateway.media.reminders import Reminder
from gateway.ui import documents_watching as doc
from gateway.ui import views
from gateway.ui.api.body import Body
from gateway.ui.problems import answers

ReminderName = Annotated[str, PathParameter(description="A reminder's id", pattern=r"^[0-9]{1,18}$")]


class Reminders(Protocol):
    """See `gateway.media.reminders.Reminders`."""

    @property
    def reminders(self) -> Sequence[Reminder]: ...
    async def add(self, programme: str) -> Reminder: ...
    async def delete(self, reminder: str) -> None: ...


def handlers(reminders: Reminders) -> list[BaseRouteHandler]:
    """Return the handlers of ``/api/v1/reminders``."""

    @get("/api/v1/reminders", responses=answers())
    async def list_reminders() -> list[doc.Reminder]:
        """What is still to be told, soonest first."""
        return [_view(one) for one in reminders.reminders]

    @post(
        "/api/v1/reminders",
        status_code=201,
        dto=Body[doc.NewReminder],
        return_dto=None,
        responses=answers(409),
    )
    async def add_reminder(data: JSONBody[doc.NewReminder]) -> doc.Reminder:
        """Tell the household a minute before a programme of the guide begins."""
        return _view(await reminders.add(data.programme))

    @delete("/api/v1/reminders/{reminder:str}", status_code=204, responses=answers())
    async def delete_reminder(reminder: ReminderName) -> None:
        """Forget a reminder."""
        await reminders.delete(reminder)

    return [list_reminders, add_reminder, delete_reminder]


def _view(one: Reminder) -> doc.Reminder:
    return doc.Reminder(id=one.id, programme=views.programme(one.programme))
