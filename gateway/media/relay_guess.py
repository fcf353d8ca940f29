"""Which segment a channel that was visited lately has now, before its list is here to say so.

One rule: pure, and only names that strictly count: whatever does not follow
from the names before by adding the same again is not guessed at all.

The guess is as many segments behind the newest as a pull begins, so that what
is asked for has been on the air for a while: asking too early for the newest
could leave a cache on the way convinced that it does not exist.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import TypeVar
from urllib.parse import urlsplit

from gateway.media.hls import MediaPlaylist, Segment

KEPT_S = 600.0
WRONG_S = 30.0
MOST = 64
FEWEST = 3
"""Names; two of them count whatever they are."""

LOOKED_AT = 8
MAX_NAME = 1024
MAX_DIGITS = 18
SHORTEST_S = 0.2
SLACK = 0.1
"""Part of a segment's duration that an origin may be late."""

MOST_LATE = 3
"""A list that is so many segments older than one before comes from a cache; an older one counts anew."""

_NUMBERS = re.compile(r"([0-9]+)")
_DATE_DIGITS, _MOMENT_DIGITS, _CLOCK_DIGITS = 8, (12, 14), (4, 6)
_Key = tuple[str, tuple[tuple[str, str], ...]]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class _Number:
    """What stands at one place of all names: `value` at `Counted.first`, and more by `step` each time."""

    value: int
    step: int
    width: int


@dataclass(frozen=True, slots=True)
class Counted:
    """Addresses of segments that count.

    Attributes:
        first: The media sequence number the numbers are of.
        texts: What stands before, between and behind the numbers.
    """

    first: int
    texts: tuple[str, ...]
    numbers: tuple[_Number, ...]

    def address(self, sequence: int) -> str | None:
        """Return the address of the segment with the media sequence number `sequence`."""
        said = [self.texts[0]]
        for number, text in zip(self.numbers, self.texts[1:], strict=True):
            value = number.value + number.step * (sequence - self.first)
            if value < 0:
                return None
            said += [str(value).zfill(number.width), text]
        return "".join(said)


def counted(segments: Sequence[Segment]) -> Counted | None:
    """Return how the addresses of `segments` count, or None if they do not, strictly."""
    if len(segments) < FEWEST or any(len(each.uri) > MAX_NAME or each.byte_range for each in segments):
        return None
    one, two = (_NUMBERS.split(_path(each.uri)) for each in segments[:2])
    if len(one) != len(two) or one[::2] != two[::2] or any(len(each) > MAX_DIGITS for each in one[1::2]):
        return None
    numbers = tuple(_number(a, b) for a, b in zip(one[1::2], two[1::2], strict=True))
    if not any(number.step for number in numbers) or _tells_time(one[1::2], numbers):
        return None
    host = segments[0].uri.removesuffix(_path(segments[0].uri))
    found = Counted(segments[0].sequence, (host + one[0], *one[2::2]), numbers)
    return found if all(found.address(each.sequence) == each.uri for each in segments) else None


def _path(address: str) -> str:
    parts = urlsplit(address)
    return address[len(parts.scheme) + 3 + len(parts.netloc) :]


def _number(one: str, two: str) -> _Number:
    padded = one.startswith("0") and len(one) > 1
    return _Number(int(one), int(two) - int(one) if len(two) <= MAX_DIGITS else 0, len(one) if padded else 0)


def _tells_time(digits: Sequence[str], numbers: Sequence[_Number]) -> bool:
    """Tell whether what changes is the date and time in figures, which counts only up to the next minute."""
    dated = False
    for said, number in zip(digits, numbers, strict=True):
        since = said.startswith(("19", "20"))
        if number.step and (
            (since and len(said) in _MOMENT_DIGITS) or (dated and len(said) in _CLOCK_DIGITS)
        ):
            return True
        dated = dated or (since and len(said) == _DATE_DIGITS)
    return False


@dataclass(frozen=True, slots=True)
class Guess:
    """A segment that is probably the one.

    Attributes:
        whole: It is of no use before it is whole, because its kind is not handed on in parts.
    """

    url: str
    whole: bool


@dataclass(frozen=True, slots=True)
class _Known:
    """The newest list of one address.

    Attributes:
        at_s: When it came.
        newest: The media sequence number of its last segment.
        after_s: That segment was not there yet.
        since_s: It was there by then.
        each_s: Duration of a segment.
        target_s: The longest that the list promises.
        whole: As in `Guess`.
    """

    at_s: float
    newest: int
    after_s: float
    since_s: float
    each_s: float
    target_s: float
    whole: bool
    names: Counted


class Guesses:
    """What the lists of the last minutes say about now.

    A list that was guessed wrongly, or would have been, is left alone for `WRONG_S`, and after
    a second time for `KEPT_S`.
    """

    def __init__(self) -> None:
        self._known: dict[_Key, _Known] = {}
        self._wrong_s: dict[_Key, float] = {}
        self._doubted: dict[_Key, float] = {}

    def heard(
        self, url: str, headers: Mapping[str, str], playlist: MediaPlaylist, *, asked_s: float, now_s: float
    ) -> None:
        """Remember the list at `url`, asked for at `asked_s` and here at `now_s`."""
        key = _key(url, headers)
        before = self._known.pop(key, None)
        seen = playlist.segments[-LOOKED_AT:]
        names = counted(seen)
        each_s = sum(segment.duration_s for segment in seen) / max(len(seen), 1)
        if names is None or playlist.ended or each_s < SHORTEST_S:
            return
        newest = seen[-1]
        # The next one was not there when it was asked for.
        known = _Known(
            at_s=now_s,
            newest=newest.sequence,
            after_s=asked_s - each_s,
            since_s=now_s,
            each_s=each_s,
            target_s=playlist.target_s,
            whole=newest.init is not None,
            names=names,
        )
        if before is not None and before.names.address(newest.sequence) != newest.uri:
            self.wrong(url, headers, now_s=now_s)
        elif before is not None:
            more = newest.sequence - before.newest
            if -MOST_LATE <= more < 0:  # an old copy from some cache on the way
                known = before
            elif more >= 0:
                after_s = max(known.after_s, before.after_s + more * each_s)
                since_s = min(known.since_s, before.since_s + more * each_s)
                if after_s < since_s:
                    known = replace(known, after_s=after_s, since_s=since_s)
        _put(self._known, key, known)

    def guess(
        self,
        url: str,
        headers: Mapping[str, str],
        begins_with: Callable[[float], int],
        *,
        now_s: float,
        exactly: bool = False,
    ) -> Guess | None:
        """Return the segment that a pull of the list at `url` begins with.

        Args:
            url: Of a media playlist.
            headers: It is asked for with.
            begins_with: How many of the newest segments, if they last up to so many seconds.
            now_s: Monotonic.
            exactly: Guess nothing if it is not certain which the newest is; otherwise the older
                one counts.
        """
        key = _key(url, headers)
        known = self._known.get(key)
        if known is None or now_s - known.at_s >= KEPT_S or now_s < self._wrong_s.get(key, now_s):
            return None
        least = max(0, floor((now_s - known.since_s) / known.each_s - SLACK))
        most = max(0, floor((now_s - known.after_s) / known.each_s + SLACK))
        if exactly and most > least:
            return None
        named = known.names.address(known.newest + least + 1 - begins_with(known.target_s))
        return Guess(named, known.whole) if named is not None else None

    def wrong(self, url: str, headers: Mapping[str, str], *, now_s: float) -> None:
        """Guess nothing of the list at `url` for a while."""
        key = _key(url, headers)
        again = now_s < self._doubted.get(key, now_s)
        _put(self._wrong_s, key, now_s + (KEPT_S if again else WRONG_S))
        _put(self._doubted, key, now_s + KEPT_S)

    def right(self, url: str, headers: Mapping[str, str]) -> None:
        """Trust the list at `url` again."""
        self._doubted.pop(_key(url, headers), None)


def _put(into: dict[_Key, V], key: _Key, value: V) -> None:
    into.pop(key, None)
    into[key] = value
    if len(into) > MOST:
        del into[next(iter(into))]


def _key(url: str, headers: Mapping[str, str]) -> _Key:
    return url, tuple(sorted(headers.items()))
