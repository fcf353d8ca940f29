"""Where a past stretch of a channel is found: the address, in all forms operators write.

One rule: pure.  Kinds and placeholders are those of Kodi's pvr.iptvsimple README, and
China's ``playseek=${(b)yyyyMMddHHmmss}-${(e)yyyyMMddHHmmss}``; dates in an address
are local time there as here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import ClassVar
from urllib.parse import urlsplit

from gateway.errors import BadInputError
from gateway.media.lineup import Catchup

_PLACE = re.compile(r"\$?\{(?P<what>[^{}]{1,64})\}")
_LETTER = re.compile(r"[YmdHMS]")
_STRFTIME_LETTERS = {"Y": "%Y", "m": "%m", "d": "%d", "H": "%H", "M": "%M", "S": "%S"}
_JAVA = re.compile(r"yyyy|yy|MM|dd|HH|mm|ss")
_JAVA_LETTERS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_BEGIN_OR_END = re.compile(r"\((?P<which>[be])\)(?P<form>[A-Za-z:_\-/. ]{1,40})")
_FLUSSONIC = re.compile(r"(?P<base>https?://[^/]+/[^?]*)/(?P<name>[^/?]*)(?P<query>\?.*)?")
_XTREAM = re.compile(
    r"(?P<host>https?://[^/]+)/(?:live/)?(?P<user>[^/]+)/(?P<password>[^/]+)/(?P<id>[^/.?]+)"
    r"(?P<ending>\.m3u8?|\.ts)?"
)


class NoCatchupError(BadInputError):
    """The channel has no past, or not that far back."""

    code: ClassVar[str] = "TV-521"
    hint = "Choose a programme that the guide marks as available."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What is wanted, and when it is asked for; all timezone-aware.

    Attributes:
        programme: What the guide calls the programme (XMLTV's ``catchup-id``), if it does.
    """

    start: datetime
    stop: datetime
    now: datetime
    programme: str = ""


def address(live: str, catchup: Catchup, stretch: Stretch, zone: tzinfo | None = None) -> str:
    """Return where `stretch` of a channel can be played from.

    Args:
        live: Address of the channel's source.
        catchup: What the line-up says of the channel's past.
        stretch: From when to when.
        zone: For dates in the address; None is the machine's own.

    Raises:
        NoCatchupError: too far back, not begun yet, or the line-up's form makes no address.
    """
    if stretch.start >= min(stretch.stop, stretch.now):
        raise NoCatchupError("This has not been broadcast yet")
    if catchup.days and stretch.now - stretch.start > timedelta(days=catchup.days):
        raise NoCatchupError(f"The operator keeps {catchup.days} days of this channel")
    moved = timedelta(seconds=catchup.correction_s)
    start, stop = stretch.start + moved, stretch.stop + moved
    filled = _filled(_template(live, catchup), _Times(start, stop, stretch.now, zone), stretch.programme)
    if urlsplit(filled).scheme not in ("http", "https"):
        raise NoCatchupError("The operator's form for this channel's past makes no address")
    return filled


def _template(live: str, catchup: Catchup) -> str:
    source = catchup.source
    match catchup.kind:
        case "default" | "vod" if source and urlsplit(source).scheme:
            return source
        case "vod":
            return source or "{catchup-id}"
        case "default" | "append":
            if not source:
                raise NoCatchupError("The line-up does not say how to ask for this channel's past")
            return _appended(live, source)
        case "shift" | "timeshift":
            return _appended(live, "utc={utc}&lutc={lutc}")
        case "flussonic" | "flussonic-hls" | "flussonic-ts" | "fs":
            return _flussonic(live, as_ts=catchup.kind == "flussonic-ts")
        case "xc":
            return _xtream(live)
        case kind:
            raise NoCatchupError(f"Catch-up of the kind {kind[:32]!r} is not known")


def _appended(live: str, tail: str) -> str:
    """Return `live` with `tail` after it, joined as a query unless it is a path already."""
    if tail[0] == "/":
        return live + tail
    joint = "&" if "?" in live else "?"
    return f"{live}{joint}{tail.lstrip('?&')}"


def _flussonic(live: str, *, as_ts: bool) -> str:
    parts = _FLUSSONIC.fullmatch(live)
    if parts is None:
        raise NoCatchupError("This channel's address is not one of a Flussonic server")
    base, name, query = parts["base"], parts["name"], parts["query"] or ""
    if name == "mpegts" or as_ts:
        return f"{base}/timeshift_abs-${{start}}.ts{query}"
    if not name.endswith(".m3u8"):
        # Any folder's name below the channel gives its stream.
        return f"{base}/{{utc}}.ts{query}"
    stem = name.removesuffix(".m3u8")
    # An archive ends; a stream that lags for ever could not be followed by the next programme.
    stretch = "${start}-${duration}.m3u8"
    return f"{base}/{'index' if stem == 'index' else stem}-{stretch}{query}"


def _xtream(live: str) -> str:
    parts = _XTREAM.fullmatch(live)
    if parts is None:
        raise NoCatchupError("This channel's address is not one of an Xtream Codes server")
    account = f"{parts['user']}/{parts['password']}"
    when = "{duration:60}/{Y}-{m}-{d}:{H}-{M}"
    return f"{parts['host']}/timeshift/{account}/{when}/{parts['id']}{parts['ending'] or '.ts'}"


@dataclass(frozen=True, slots=True)
class _Times:
    start: datetime
    stop: datetime
    now: datetime
    zone: tzinfo | None

    def named(self) -> Mapping[str, datetime]:
        start, stop, now = (one.astimezone(self.zone) for one in (self.start, self.stop, self.now))
        return {
            **dict.fromkeys(("utc", "start", "b"), start),
            **dict.fromkeys(("utcend", "end", "e"), stop),
            **dict.fromkeys(("lutc", "now", "timestamp"), now),
        }

    def spans_s(self) -> Mapping[str, float]:
        return {
            "duration": (self.stop - self.start).total_seconds(),
            "offset": max(0.0, (self.now - self.start).total_seconds()),
        }


def _filled(template: str, times: _Times, programme: str) -> str:
    named, spans_s = times.named(), times.spans_s()

    def value(place: re.Match[str]) -> str:
        what = place["what"]
        name, _, form = what.partition(":")
        if what == "catchup-id":
            if not programme:
                raise NoCatchupError("The guide does not name this programme's recording")
            return programme
        if begin_or_end := _BEGIN_OR_END.fullmatch(what):
            return _java(named[begin_or_end["which"]], begin_or_end["form"])
        if name in spans_s:
            divider = int(form) if form.isascii() and form.isdigit() else 1
            return str(int(spans_s[name]) // max(1, divider))
        if name in named:
            return _dated(named[name], form) if form else str(int(named[name].timestamp()))
        if what in _STRFTIME_LETTERS:
            return _dated(named["start"], what)
        return place[0]  # not ours: part of the address

    return _PLACE.sub(value, template)


def _dated(moment: datetime, form: str) -> str:
    return _LETTER.sub(lambda letter: moment.strftime(_STRFTIME_LETTERS[letter[0]]), form)


def _java(moment: datetime, form: str) -> str:
    if form in ("timestamp", "unix"):
        return str(int(moment.timestamp()))
    written, _, zone = form.rpartition(":")
    if zone.lower() in ("utc", "gmt"):
        return _java((moment - (moment.utcoffset() or timedelta())).replace(tzinfo=None), written)
    return _JAVA.sub(lambda part: moment.strftime(_JAVA_LETTERS[part[0]]), form)
