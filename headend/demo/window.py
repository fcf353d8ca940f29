"""The playlists of the live window, computed from the wall clock.

One rule: a playlist depends on the time and the stock alone, so two requests
at the same moment, or two origins, answer the same.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from headend.demo.channels import DemoChannel
from headend.demo.retime import CLOCK_HZ, WRAP
from headend.demo.stock import EPOCH, Moment, Stock

WINDOW_SEGMENTS = 6
GRACE_SEGMENTS = 6
"""Segments that have left the list and can still be had, as RFC 8216 6.2.2 asks."""

KEY_SEGMENTS = 30
LANGUAGES = {"zh": "中文", "en": "English"}
_CHINA = timezone(timedelta(hours=8))
_WORDS = {"zh": "现在是", "en": "It is now"}


@dataclass(frozen=True, slots=True)
class Shape:
    """How a media playlist is written.

    Attributes:
        ending: Of segments' names.
        with_init: Whether an initialisation segment goes first.
        encrypted: Whether keys are announced.
        query: Put behind every address, ``?token=...`` or nothing.
        prefix: Put before every address.
        key_prefix: Put before every key's address.
        finished: Whether nothing will follow: it is a stretch of the past.
    """

    ending: str
    with_init: bool = False
    encrypted: bool = False
    query: str = ""
    prefix: str = ""
    key_prefix: str = "../"
    finished: bool = False


def window(stock: Stock, now: float) -> tuple[Moment, ...]:
    """Return the segments of the list at Unix time `now`, oldest first."""
    newest = stock.newest(now)
    return tuple(stock.moment(n) for n in range(newest - WINDOW_SEGMENTS + 1, newest + 1))


def is_served(stock: Stock, number: int, now: float) -> bool:
    """Whether segment `number` is in the list at `now`, or left it a moment ago."""
    newest = stock.newest(now)
    return newest - WINDOW_SEGMENTS - GRACE_SEGMENTS < number <= newest


def media_playlist(moments: Iterable[Moment], shape: Shape) -> str:
    """Return the media playlist of `moments` (RFC 8216, version 6)."""
    moments = tuple(moments)
    longest = max(moment.duration_s for moment in moments)
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:6",
        f"#EXT-X-TARGETDURATION:{round(longest)}",
        f"#EXT-X-MEDIA-SEQUENCE:{moments[0].number}",
        "#EXT-X-INDEPENDENT-SEGMENTS",
    ]
    if shape.finished:
        lines.append("#EXT-X-PLAYLIST-TYPE:VOD")
    if shape.with_init:
        lines.append(f'#EXT-X-MAP:URI="{shape.prefix}init.mp4{shape.query}"')
    key = None
    for moment in moments:
        if shape.encrypted and key_number(moment.number) != key:
            key = key_number(moment.number)
            lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{shape.key_prefix}key/{key}{shape.query}"')
        date = datetime.fromtimestamp(moment.start, UTC).isoformat(timespec="milliseconds")
        lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.replace('+00:00', 'Z')}")
        lines.append(f"#EXTINF:{moment.duration_s:.6f},")
        lines.append(f"{shape.prefix}{moment.number}.{shape.ending}{shape.query}")
    if shape.finished:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def master_playlist(channel: DemoChannel, pictures: dict[str, Stock], query: str) -> str:
    """Return the master playlist of `channel`; `pictures` are its renditions with pictures."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    groups = ""
    if len(channel.languages) > 1:
        groups += ',AUDIO="sound"'
        for n, language in enumerate(channel.languages):
            lines.append(
                f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="{LANGUAGES[language]}",LANGUAGE="{language}",'
                f'DEFAULT={"NO" if n else "YES"},AUTOSELECT=YES,CHANNELS="2",'
                f'URI="audio-{language}/index.m3u8{query}"'
            )
    if channel.subtitles:
        groups += ',SUBTITLES="text"'
        for language, name in LANGUAGES.items():
            lines.append(
                f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="text",NAME="{name}",LANGUAGE="{language}",DEFAULT=NO,'
                f'AUTOSELECT=YES,FORCED=NO,URI="text-{language}/index.m3u8{query}"'
            )
    codecs = '"hvc1.2.4.L153.B0,mp4a.40.2"' if channel.hevc else '"avc1.42c028,mp4a.40.2"'
    for rung in channel.rungs:
        rate = pictures[rung.name].peak_kbps + (100 if len(channel.languages) > 1 else 0)
        lines.append(
            f"#EXT-X-STREAM-INF:BANDWIDTH={rate * 1000},RESOLUTION={rung.width}x{rung.height},"
            f"FRAME-RATE={channel.fps}.000,CODECS={codecs}{groups}"
        )
        lines.append(f"{rung.name}/index.m3u8{query}")
    return "\n".join(lines) + "\n"


def subtitles(moment: Moment, language: str) -> str:
    """Return the WebVTT segment of `moment`: the full time of day, second by second."""
    zero = round((moment.start - EPOCH) * CLOCK_HZ) % WRAP
    lines = ["WEBVTT", f"X-TIMESTAMP-MAP=MPEGTS:{zero},LOCAL:00:00:00.000", ""]
    for second in range(round(moment.duration_s)):
        at = datetime.fromtimestamp(moment.start + second, _CHINA)
        lines.append(f"00:00:{second:02d}.000 --> 00:00:{second + 1:02d}.000")
        lines += [f"{_WORDS[language]} {at:%H:%M:%S}", ""]
    return "\n".join(lines)


def key_number(segment: int) -> int:
    """Return which key segment number `segment` is encrypted with; it changes every minute or so."""
    return segment // KEY_SEGMENTS


def key(channel: DemoChannel, number: int) -> bytes:
    """Return an AES-128 key.  It shows that decryption works; it protects nothing."""
    return hashlib.sha256(f"demo {channel.id} {number}".encode()).digest()[:16]
