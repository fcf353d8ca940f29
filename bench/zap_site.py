"""What the origin has: six kinds of channels in two colours, at any moment of their endless streams.

One rule: an answer depends on the address and the time alone.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from bench.zap_loop import Loop
from bench.zap_material import LANGUAGES, RUNGS, Colour
from headend.demo import stock, window
from headend.demo.delivery import PLAYLIST_TYPE, TYPES, encrypt

WINDOW_SEGMENTS = 4
GRACE_SEGMENTS = 4


class Kind(StrEnum):
    """How a channel is packed."""

    TS2 = "ts2"
    TS6 = "ts6"
    FMP4 = "fmp4"
    ABR = "abr"
    AES = "aes"
    MULTI = "multi"


_RENDITION = {Kind.TS6: "six", Kind.FMP4: "fmp4", Kind.MULTI: "silent"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One live channel; its picture is all of one colour."""

    kind: Kind
    colour: Colour

    @property
    def id(self) -> str:
        """Its name in addresses and in the line-up."""
        return f"{self.kind}-{self.colour.name.lower()}"

    @property
    def renditions(self) -> tuple[str, ...]:
        """The playlists it has."""
        if self.kind is Kind.ABR:
            return tuple(rung.name for rung in RUNGS)
        best = _RENDITION.get(self.kind, RUNGS[0].name)
        return (
            (best, *(f"audio-{language}" for language in LANGUAGES)) if self.kind is Kind.MULTI else (best,)
        )

    @property
    def has_master(self) -> bool:
        """Whether its address is that of a master playlist."""
        return self.kind in (Kind.ABR, Kind.MULTI)


CHANNELS = tuple(Channel(kind, colour) for kind in Kind for colour in Colour)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered."""

    status: int
    type: str
    body: bytes


NOT_FOUND = Answer(404, "text/plain", b"not found\n")


class Site:
    """What there is at which address at which moment."""

    def __init__(self, material: Path) -> None:
        self._material = material
        self._loops: dict[tuple[str, str], Loop] = {}

    @cached_property
    def _paths(self) -> dict[str, tuple[Channel, str]]:
        return {
            f"{channel.id}/{name}": (channel, name) for channel in CHANNELS for name in channel.renditions
        }

    def answer(self, path: str, now: float, *, host: str) -> Answer:
        """Return the answer to a GET of `path` at Unix time `now`."""
        if path == "/lineup.m3u":
            return Answer(200, "audio/x-mpegurl", line_up(f"http://{host}").encode())
        folder, _, name = path.removeprefix("/").rpartition("/")
        if name == "index.m3u8" and "/" not in folder:
            return self._entry(folder, now)
        if folder.endswith("/key") and name.isdecimal():
            return Answer(200, "application/octet-stream", _key(folder.removesuffix("/key"), int(name)))
        return self._part(*self._paths[folder], name, now) if folder in self._paths else NOT_FOUND

    def _part(self, channel: Channel, rendition: str, name: str, now: float) -> Answer:
        loop = self._loop(channel.colour, rendition)
        if name == "index.m3u8":
            return Answer(200, PLAYLIST_TYPE, _playlist(channel, loop, now).encode())
        if name == "init.mp4" and loop.stock.scales:
            return Answer(200, TYPES["mp4"], loop.init)
        number, _, ending = name.partition(".")
        newest = loop.stock.newest(now)
        served = range(newest - WINDOW_SEGMENTS - GRACE_SEGMENTS + 1, newest + 1)
        if ending != loop.stock.ending or not number.isdecimal() or int(number) not in served:
            return NOT_FOUND
        body = loop.segment(int(number))
        if channel.kind is Kind.AES:
            body = encrypt(body, _key(channel.id, window.key_number(int(number))), int(number))
        return Answer(200, TYPES[ending], body)

    def _entry(self, name: str, now: float) -> Answer:
        channel = next((channel for channel in CHANNELS if channel.id == name), None)
        if channel is None:
            return NOT_FOUND
        if channel.has_master:
            return Answer(200, PLAYLIST_TYPE, self._master(channel).encode())
        rendition = channel.renditions[0]
        loop = self._loop(channel.colour, rendition)
        return Answer(200, PLAYLIST_TYPE, _playlist(channel, loop, now, prefix=f"{rendition}/").encode())

    def _master(self, channel: Channel) -> str:
        lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
        group = ""
        if channel.kind is Kind.MULTI:
            group = ',AUDIO="sound"'
            for n, language in enumerate(LANGUAGES):
                lines.append(
                    f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="sound",NAME="{language}",LANGUAGE="{language}",'
                    f'DEFAULT={"NO" if n else "YES"},AUTOSELECT=YES,URI="audio-{language}/index.m3u8"'
                )
        rungs = RUNGS if channel.kind is Kind.ABR else RUNGS[:1]
        for rung in rungs:
            name = rung.name if channel.kind is Kind.ABR else channel.renditions[0]
            peak = self._loop(channel.colour, name).stock.peak_kbps
            shape = f"RESOLUTION={rung.width}x{rung.height},FRAME-RATE=25.000"
            about = f'BANDWIDTH={peak * 1000},{shape},CODECS="avc1.640028,mp4a.40.2"{group}'
            lines += [f"#EXT-X-STREAM-INF:{about}", f"{name}/index.m3u8"]
        return "\n".join(lines) + "\n"

    def _loop(self, colour: Colour, rendition: str) -> Loop:
        key = (colour.name.lower(), rendition)
        if key not in self._loops:
            self._loops[key] = Loop(stock.load(self._material / key[0] / key[1]))
        return self._loops[key]

    def warm_up(self, now: float) -> None:
        """Cast every segment of the loop once, so that the first zap is served as fast as the last."""
        for channel in CHANNELS:
            for rendition in channel.renditions:
                loop = self._loop(channel.colour, rendition)
                newest = loop.stock.newest(now)
                for number in range(newest, newest + len(loop.stock.files)):
                    loop.segment(number)


def line_up(base: str, channels: Iterable[Channel] = CHANNELS) -> str:
    """Return the line-up of `channels` as M3U."""
    lines = ["#EXTM3U"]
    for number, channel in enumerate(channels, start=1):
        lines.append(f'#EXTINF:-1 tvg-id="{channel.id}" tvg-chno="{number}",{channel.id}')
        lines.append(f"{base}/{channel.id}/index.m3u8")
    return "\n".join(lines) + "\n"


def _playlist(channel: Channel, loop: Loop, now: float, *, prefix: str = "") -> str:
    newest = loop.stock.newest(now)
    moments = [loop.stock.moment(n) for n in range(newest - WINDOW_SEGMENTS + 1, newest + 1)]
    shape = window.Shape(
        ending=loop.stock.ending,
        with_init=bool(loop.stock.scales),
        encrypted=channel.kind is Kind.AES,
        prefix=prefix,
        key_prefix="" if prefix else "../",
    )
    return window.media_playlist(moments, shape)


def _key(channel: str, number: int) -> bytes:
    return hashlib.sha256(f"zap {channel} {number}".encode()).digest()[:16]
