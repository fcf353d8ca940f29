"""Reminders on the screen.

One rule: one line, in the household's own time.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.media.lineup import LineUp
from gateway.media.reminders import ReminderDue
from gateway.pubsub import Publisher


class Reminders(Protocol):
    """See `gateway.media.reminders.Reminders`."""

    @property
    def due(self) -> Publisher[ReminderDue]: ...


class LineUps(Protocol):
    """See `gateway.media.lineup_book.LineUpBook`."""

    @property
    def state(self) -> LineUp: ...


class ReminderNotices:
    """Tells the household what it wanted to be told; a service."""

    def __init__(
        self, reminders: Reminders, line_up: LineUps, put: Callable[[Mapping[str, str]], None]
    ) -> None:
        """Describe it; `put` shows a text by locale."""
        self._reminders = reminders
        self._line_up = line_up
        self._put = put

    async def run(self, ready: Callable[[], None]) -> None:
        """Live until cancelled."""
        with self._reminders.due.subscribe() as due:
            ready()
            async for each in due:
                self._put(self._text(each))

    def _text(self, due: ReminderDue) -> dict[str, str]:
        programme = due.reminder.programme
        channel = self._line_up.state.by_id(programme.channel)
        place = f"{channel.number} {channel.name}" if channel else programme.channel
        at = f"{programme.start.astimezone():%H:%M}"
        return {
            "zh-CN": f"《{programme.title}》 {at} 在 {place} 播出。",
            "en": f"“{programme.title}” at {at} on {place}.",
        }
