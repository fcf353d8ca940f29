"""First segments that are asked for together with the list that is to name them.

One rule: a guess is used only when the list has named it where a pull begins;
until then, and if it is wrong, nobody but the origin can notice that it was made.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass

from gateway.media.hls import MediaPlaylist
from gateway.media.relay_guess import Guess, Guesses
from gateway.media.relay_http import Body, Listener

ONE_OLDER = 1
"""So much further back a pull may begin than usual: the guess cannot be surer than that."""


class Ahead:
    """One segment on its way that nobody has asked for yet."""

    def __init__(self, url: str, fetch: Callable[[Listener], Coroutine[None, None, Body | None]]) -> None:
        """Begin; `fetch` raises nothing that is foreseen."""
        self.url = url
        self._listener: Listener | None = None
        self._so_far: bytes | bytearray = b""
        listener = Listener(self._began, self._arriving)
        self._task = asyncio.create_task(fetch(listener), name="guessed segment")

    async def body(self, listener: Listener | None) -> Body | None:
        """Return the whole of it, or None if it does not come; `listener` hears of it from here on."""
        self._listener = listener
        if self._so_far and not self._task.done():
            self._began()
            self._arriving(self._so_far)
        return await self._task

    def drop(self) -> None:
        """Nobody wants it."""
        self._task.cancel()

    def _began(self) -> None:
        if self._listener is not None:
            self._listener.began()

    def _arriving(self, body: bytes | bytearray) -> None:
        self._so_far = body
        if self._listener is not None and self._listener.arriving is not None:
            self._listener.arriving(body)


@dataclass(frozen=True, slots=True)
class _Unsure:
    ahead: Ahead
    older: int


class Aheads:
    """The guesses of one source, at most one for each of its tracks."""

    def __init__(
        self,
        ask: Callable[[Guess, bool], Ahead],
        headers: Mapping[str, str],
        guesses: Guesses,
        begins_with: Callable[[float], int],
    ) -> None:
        """Describe it.

        Args:
            ask: Begins to fetch a segment, over several connections or one.
            headers: The origin wants.
            guesses: Of the whole house.
            begins_with: How many of the newest segments a pull begins with, by target duration.
        """
        self._ask = ask
        self._headers = headers
        self._guesses = guesses
        self._begins_with = begins_with
        self._lists: dict[str, str] = {}
        self._unsure: dict[str, _Unsure] = {}
        self._sure: dict[str, Ahead] = {}

    def follows(self, track: str, url: str) -> None:
        """Remember that the list of `track` is asked for at `url`."""
        self._lists[track] = url

    def begin(self, track: str, *, abreast: bool, exactly: bool) -> None:
        """Ask for the segment that a pull begins with, if it can be guessed; returns at once.

        Args:
            track: Whose.
            abreast: Over several connections.
            exactly: Not one further back, for tracks that must begin together.
        """
        guess = self._guesses.guess(
            self._lists[track], self._headers, self._begins_with, now_s=_now_s(), exactly=exactly
        )
        if guess is not None and track not in self._unsure:
            self._unsure[track] = _Unsure(self._ask(guess, abreast), 0 if exactly else ONE_OLDER)

    def heard(self, track: str, playlist: MediaPlaylist, asked_s: float) -> None:
        """Take what the list of `track` says, asked for at `asked_s`."""
        self._guesses.heard(self._lists[track], self._headers, playlist, asked_s=asked_s, now_s=_now_s())

    def start(self, track: str, playlist: MediaPlaylist) -> int:
        """Return with how many segments of `playlist` to begin: as usual, unless the guess is one older.

        A guess that would make another beginning is dropped, and none is made for a while.
        """
        unsure = self._unsure.pop(track, None)
        usual = self._begins_with(playlist.target_s)
        if unsure is None:
            return usual
        ahead = unsure.ahead
        for count in range(usual, min(usual + unsure.older, len(playlist.segments)) + 1):
            chosen = playlist.segments[-count]
            if chosen.uri == ahead.url and not chosen.gap and chosen.byte_range is None:
                self._sure[ahead.url] = ahead
                self._guesses.right(self._lists[track], self._headers)
                return count
        ahead.drop()
        self._guesses.wrong(self._lists[track], self._headers, now_s=_now_s())
        return usual

    def taken(self, url: str) -> Ahead | None:
        """Return what is on its way from `url`, once."""
        return self._sure.pop(url, None)

    def drop(self) -> None:
        """Nothing of it is wanted any more."""
        for ahead in (*(each.ahead for each in self._unsure.values()), *self._sure.values()):
            ahead.drop()
        self._unsure.clear()
        self._sure.clear()


def _now_s() -> float:
    return asyncio.get_running_loop().time()
