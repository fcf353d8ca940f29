"""The logical keys of the remote: what the daemon does itself, what the page does.

One rule: whatever a household needs when the page is dead (channels, numbers,
loudness, power) is done here; everything else belongs to whoever has the focus.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from gateway.errors import BadInputError, GatewayError
from gateway.focus import Priority
from gateway.media.lock_rules import LOCK_CODES
from gateway.media.tv_facts import Typed
from gateway.pubsub import Publisher
from gateway.schema import FieldError
from gateway.ui import documents as doc
from gateway.ui import documents_events as news
from gateway.ui.events import Events
from gateway.ui.house import House

log = logging.getLogger(__name__)

Remote = Callable[[], AsyncIterator[str]]
"""Begins to listen to the remote control; its keys are logical names."""

WIND_S = (30.0, 30.0, 60.0, 60.0, 120.0, 120.0, 300.0)
QUICKLY_S = 1.0
_NOT_KEPT = "现在不能暂停或回看。"

ALL_KEYS: frozenset[doc.Key] = frozenset(get_args(doc.Key))


@dataclass(frozen=True, kw_only=True, slots=True)
class KeysConfig:
    """The ``ui.keys`` section.

    Attributes:
        digits_pause_s: A channel number is complete when no digit follows for this long.
        volume_step_percent: What one press changes.
    """

    digits_pause_s: float = 1.5
    volume_step_percent: int = 5

    def __post_init__(self) -> None:
        if not 0.2 <= self.digits_pause_s <= 10:  # noqa: PLR2004 - said in the message
            raise FieldError("digits_pause_s", f"{self.digits_pause_s} is outside 0.2..10")
        if not 1 <= self.volume_step_percent <= 50:  # noqa: PLR2004 - said in the message
            raise FieldError("volume_step_percent", f"{self.volume_step_percent} is outside 1..50")


TAKEN_S = 60.0


class Wind:
    """How far one press of rewind or forward goes: the further, the more often and the faster it comes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._key = ""
        self._count = 0
        self._pressed_s = 0.0

    def step_s(self, key: str) -> float:
        """Return the seconds that this press of `key` means."""
        now_s = self._clock()
        goes_on = key == self._key and now_s - self._pressed_s < QUICKLY_S
        self._count = self._count + 1 if goes_on else 0
        self._key, self._pressed_s = key, now_s
        return WIND_S[min(self._count, len(WIND_S) - 1)]


class Keys:
    """Takes keys from the remote and from the API; a service.

    Attributes:
        digits: The number being typed; empty when none is.
        pressed: Every key, whoever takes it.
    """

    def __init__(
        self,
        config: KeysConfig,
        house: House,
        events: Events,
        remote: Remote | None = None,
        pressed: Publisher[str] | None = None,
    ) -> None:
        self.digits = ""
        self.pressed: Publisher[str] = pressed or Publisher()
        self._config = config
        self._house = house
        self._events = events
        self._remote = remote
        self._typed = asyncio.Event()
        self._wind = Wind()
        self._taken = doc.KeysTaken()
        self._taken_until_s = 0.0

    def let_page_take(self, taken: doc.KeysTaken) -> None:
        """Hand these keys to the page for a while; it says so again, for it may die before it ends it."""
        self._taken = taken
        self._taken_until_s = time.monotonic() + TAKEN_S

    async def run(self, ready: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._finish_numbers(), name="finish channel numbers")
            if self._remote is not None:
                tasks.create_task(self._read(self._remote()), name="read the remote")
            ready()

    async def press(self, key: doc.Key) -> None:
        """Do what `key` means now, or hand it to the page."""
        self.pressed.publish(key)
        if await self._do_always(key):
            return
        if self._is_asked_for_pin() and (key.isdigit() or key in {"ok", "back"}):
            self._events.tell(news.KeyEvent(key=key))
            return
        if self._is_taken(key):
            self._events.tell(news.KeyEvent(key=key))
            return
        if self._tv_has_focus() and await self._do_for_tv(key):
            return
        self._events.tell(news.KeyEvent(key=key))

    async def _read(self, remote: AsyncIterator[str]) -> None:
        async for name in remote:
            if name in ALL_KEYS:
                with _surviving("A key was not obeyed"):
                    await self.press(name)

    async def _do_always(self, key: doc.Key) -> bool:
        tv, step = self._house.tv, self._config.volume_step_percent
        match key:
            case "volume_up":
                await tv.set_volume(min(100, tv.state.volume_percent + step))
            case "volume_down":
                await tv.set_volume(max(0, tv.state.volume_percent - step))
            case "mute":
                await tv.set_muted(not tv.state.muted)
            case "power":
                await self._power()
            case _:
                return False
        return True

    async def _power(self) -> None:
        """Picture off, and on again where it was."""
        tv = self._house.tv
        if tv.state.is_on:
            await tv.standby()
        else:
            await tv.wake()

    async def _do_for_tv(self, key: doc.Key) -> bool:
        tv = self._house.tv
        match key:
            case "channel_up":
                await tv.zap(1)
            case "channel_down":
                await tv.zap(-1)
            case "last":
                await tv.last()
            case "play" | "pause" | "stop" | "rewind" | "forward" if tv.state.is_on:
                return await self._travel(key)
            case "ok" if self.digits:
                await self._tune_to_digits()
            case "back" if self.digits:
                self._type("")
            case _ if key.isdigit():
                self._events.tell(news.KeyEvent(key=key))
                self._type(self._with_digit(key))
                self._typed.set()
            case _:
                return False
        return True

    async def _travel(self, key: doc.Key) -> bool:
        """Obey a key of the tape recorder; returns whether it means anything now."""
        tv = self._house.tv
        try:
            match key:
                case "play" | "pause" if tv.state.paused:
                    await tv.resume()
                case "pause":
                    await tv.pause()
                case "stop" if tv.state.mode != "live":
                    await tv.live()
                case "rewind":
                    await tv.seek(step_s=-self._wind.step_s(key))
                case "forward":
                    await tv.seek(step_s=self._wind.step_s(key))
                case _:
                    return False
        except BadInputError as error:
            # Nobody waits for the outcome of a key, but the household must see why nothing happens.
            self._house.notices.put({"zh-CN": _NOT_KEPT, "en": f"{error}. {error.hint}"}, code=error.code)
        return True

    def _is_asked_for_pin(self) -> bool:
        """While the lock holds the picture back, digits are the PIN's: the page takes them."""
        return self._house.tv.state.code in LOCK_CODES

    def _is_taken(self, key: doc.Key) -> bool:
        if time.monotonic() > self._taken_until_s:
            return False
        return (self._taken.digits and key.isdigit()) or (
            self._taken.channels and key in {"channel_up", "channel_down"}
        )

    def _tv_has_focus(self) -> bool:
        holder = self._house.focus.holder
        return holder is None or holder.priority is Priority.TV

    def _with_digit(self, digit: str) -> str:
        """Append `digit`; start anew where no number of the line-up can be that long."""
        channels = self._house.line_up.state.channels
        longest = len(str(channels[-1].number)) if channels else 1
        return digit if len(self.digits) >= longest else self.digits + digit

    def _type(self, digits: str) -> None:
        self.digits = digits
        self._house.tv.hint(Typed(digits))
        found = self._house.line_up.state.by_number(int(digits)) if digits else None
        self._events.tell(news.NumberEvent(digits=digits, channel=found.id if found else None))

    async def _finish_numbers(self) -> None:
        while True:
            await self._typed.wait()
            self._typed.clear()
            try:
                async with asyncio.timeout(self._config.digits_pause_s):
                    await self._typed.wait()
            except TimeoutError:
                with _surviving("The number was not tuned to"):
                    await self._tune_to_digits()

    async def _tune_to_digits(self) -> None:
        if not self.digits:
            return
        wanted = self._house.line_up.state.by_number(int(self.digits))
        self._type("")
        if wanted is not None:
            await self._house.tv.tune(wanted.id)


@contextmanager
def _surviving(what: str) -> Iterator[None]:
    """Let one key fail; nobody waits for the outcome, and the next key must work."""
    try:
        yield
    except GatewayError as error:
        log.warning("%s: %s", what, error.line())
