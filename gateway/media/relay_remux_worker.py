"""The process that repacks segments of every kind as transport stream; started by `relay_remux`.

The only module that imports av.  One rule: what comes in is hostile.  The
process has little memory, no addresses and no files to lose, only the
demultiplexers named here are ever tried, and whatever a segment does to it
costs that segment.
"""

import contextlib
import ctypes
import gc
import resource
import socket
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from io import BytesIO
from math import floor

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from gateway.media import ts, ts_edit
from gateway.media.relay_remux_language import iso_639_2
from gateway.media.relay_remux_wire import (
    ORDER_LIMIT,
    PICTURE,
    SIZES,
    Answer,
    Cut,
    Feed,
    Force,
    Order,
    Sound,
    WireError,
    decode_order,
    header,
    sizes,
)

MEMORY_BYTES = 2 << 30
M_MMAP_THRESHOLD = -3
SEGMENT_BYTES = 256 * 1024
MOST_CHANNELS = 64
MOST_STREAMS = 16
MOST_PICTURES = 16
MOST_PACKETS = 50_000
CLOCK = Fraction(1, ts.CLOCK_HZ)
SAME_TIMELINE = 30 * ts.CLOCK_HZ
PATIENCE_CUTS = 3
"""So many pieces long is sound kept that belongs to another timeline than the pictures."""

SHORT = ts.CLOCK_HZ // 20
"""A frame of sound may be missing at the end of a segment: it comes with the next one, in time."""

_INPUT = {"probesize": "32", "analyzeduration": "0", "protocol_whitelist": "none"}
_FORMATS = {"ts": "mpegts", "m4s": "mp4"}
_OUTPUT = {
    "mpegts_copyts": "1",
    "avoid_negative_ts": "disabled",
    "max_delay": str(ts.LEAD * 1_000_000 // ts.CLOCK_HZ),
    # Each frame of sound at once: what the muxer kept back would miss the end of the piece.
    "pes_payload_size": "0",
}
_SUBTITLES = frozenset({"dvb_subtitle", "dvb_teletext"})
_STAMP = b"com.apple.streaming.transportStreamTimestamp\0"
_STAMP_BYTES = 8
_ID3_HEADER = 10


@dataclass(slots=True)
class Timed:
    """A packet with its times on the 33-bit clock, not yet wrapped."""

    packet: "Packet[Stream]"
    stream: int
    dts: int
    pts: int
    duration: int


@dataclass(slots=True)
class Taken:
    """A segment, taken apart.

    Attributes:
        source: Kept open, because the streams are described by it.
        begins: Decoding time of its first packet in the leading stream.
        ends: Where the next segment should begin.
    """

    source: InputContainer
    packets: list[Timed]
    begins: int
    ends: int


@dataclass(slots=True)
class Track:
    """One playlist's media that is not in a piece yet."""

    newest: Taken | None = None
    queue: deque[tuple[Timed, int]] = field(default_factory=deque)
    waited_for: bool = True


class Channel:
    """One pull: its pictures wait until their sound is there, and become pieces."""

    def __init__(self) -> None:
        self._pictures: deque[tuple[int, Taken]] = deque()
        self._newest: Taken | None = None
        self._tracks: dict[str, Track] = {}
        self._sounds: tuple[Sound, ...] = ()
        self._counters: dict[int, int] = {}
        self._described: tuple[object, ...] = ()
        self._version = 0
        self._cuts = 0

    def feed(self, feed: Feed, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take a segment, and yield the pieces that are ready by it."""
        self._sounds = feed.sounds[:MOST_STREAMS]
        if feed.track == PICTURE:
            taken = taken_apart(feed.kind, data, after=self._newest.ends if self._newest else None)
            self._newest = taken
            self._pictures.append((feed.number, taken))
            while len(self._pictures) > MOST_PICTURES:
                self._pictures.popleft()
        else:
            track = self._tracks.setdefault(feed.track, Track())
            last = track.newest.ends if track.newest else self._newest.begins if self._newest else None
            taken = taken_apart(feed.kind, data, after=last)
            if track.newest is not None:
                track.newest.source.close()
            track.newest, track.waited_for = taken, True
            track.queue.extend((timed, self._cuts + PATIENCE_CUTS) for timed in taken.packets)
            while len(track.queue) > MOST_PACKETS:
                track.queue.popleft()
        while self._pictures and all(self._has_come(sound) for sound in self._sounds):
            yield self._cut()

    def force(self) -> Iterator[tuple[int, bytes]]:
        """Yield the oldest piece without the sound that is missing."""
        for sound in self._sounds:
            if self._pictures and not self._has_come(sound):
                self._tracks.setdefault(sound.track, Track()).waited_for = False
        while self._pictures and all(self._has_come(sound) for sound in self._sounds):
            yield self._cut()

    def _has_come(self, sound: Sound) -> bool:
        track = self._tracks.get(sound.track)
        if track is None:
            return False
        if not track.waited_for:
            return True
        if track.newest is None:
            return False
        ahead = ts.difference(track.newest.ends, self._pictures[0][1].ends)
        return -SHORT <= ahead < SAME_TIMELINE

    def _cut(self) -> tuple[int, bytes]:
        number, picture = self._pictures.popleft()
        self._cuts += 1
        sounds = [
            (sound, track, track.newest)
            for sound in self._sounds
            if (track := self._tracks.get(sound.track)) and track.newest is not None
        ]
        streams = [(stream, _language(stream)) for stream in _useful(picture.source)]
        packets = [(timed, place) for place, (stream, _) in enumerate(streams)
                   for timed in picture.packets if timed.stream == stream.index]  # fmt: skip
        for sound, track, newest in sounds:
            own = self._due(track, picture)
            for stream in _useful(newest.source):
                packets += [(timed, len(streams)) for timed in own if timed.stream == stream.index]
                streams.append((stream, sound.language))
        described = tuple((stream.type, stream.codec_context.name, tongue) for stream, tongue in streams)
        if self._described not in ((), described):
            self._version = (self._version + 1) % 32
        self._described = described
        data = _muxed(streams, packets, picture.begins, self._version)
        picture.packets.clear()
        if picture is not self._newest:
            picture.source.close()
        return number, ts_edit.counted(data, self._counters)

    def _due(self, track: Track, picture: Taken) -> list[Timed]:
        """Take from the queue what belongs to `picture`, and forget what never will."""
        length = ts.difference(picture.ends, picture.begins)
        due: list[Timed] = []
        kept: deque[tuple[Timed, int]] = deque()
        for timed, patience in track.queue:
            at = ts.difference(timed.dts, picture.begins)
            if -SHORT <= at < length:
                due.append(timed)
            elif length <= at < SAME_TIMELINE or (abs(at) >= SAME_TIMELINE and patience >= self._cuts):
                kept.append((timed, patience))
        track.queue = kept
        return due


def taken_apart(kind: str, data: bytes, *, after: int | None) -> Taken:
    """Return the packets of a segment.

    Args:
        kind: As in `Feed`.
        data: The segment, its init section in front.
        after: When it begins, if it does not say so itself.

    Raises:
        ValueError, av.error.FFmpegError: it is not what it seems.
    """
    packed = kind not in _FORMATS
    source = av.open(
        BytesIO(data),
        mode="r",
        format=_packed_format(data) if packed else _FORMATS[kind],
        options=_PROBES[packed],
    )
    base = 0
    if packed:
        said = _stamp(data)
        base = said if said is not None else after if after is not None else 0
    useful = {stream.index for stream in _useful(source)}
    packets: list[Timed] = []
    for packet in source.demux():
        if packet.stream.index not in useful or packet.dts is None or not packet.size:
            continue
        scale = packet.time_base * ts.CLOCK_HZ
        dts = floor(packet.dts * scale) + base
        pts = floor(packet.pts * scale) + base if packet.pts is not None else dts
        packets.append(
            Timed(packet, packet.stream.index, dts, max(pts, dts), int((packet.duration or 0) * scale))
        )
        if len(packets) > MOST_PACKETS:
            raise ValueError("more packets than a segment has")
    lead = next((s.index for s in source.streams if s.type == "video" and s.index in useful), None)
    times = [timed for timed in packets if lead is None or timed.stream == lead]
    if not times:
        raise ValueError("no media in it")
    last = times[-1]
    step = last.duration or (last.dts - times[0].dts) // max(1, len(times) - 1)
    return Taken(source, packets, times[0].dts, last.dts + step)


def _useful(source: InputContainer) -> list[Stream]:
    return [
        stream
        for stream in source.streams
        if stream.type in {"video", "audio"}
        or (stream.type == "subtitle" and stream.codec_context.name in _SUBTITLES)
    ][:MOST_STREAMS]


def _language(stream: Stream) -> str:
    return iso_639_2(stream.metadata.get("language", "")) if stream.type != "video" else ""


def _muxed(
    streams: list[tuple[Stream, str]], packets: list[tuple[Timed, int]], begins: int, version: int
) -> bytes:
    target = BytesIO()
    options = {**_OUTPUT, "tables_version": str(version)}
    with av.open(target, "w", format="mpegts", options=options) as output:
        outs = [output.add_stream_from_template(stream) for stream, _ in streams]
        for out, (_, language) in zip(outs, streams, strict=True):
            if language not in {"", "und"}:
                out.metadata["language"] = language
        # One round above: a clock that is ahead of the first picture must not be below 0.
        base = begins % ts.WRAP + ts.WRAP
        last = [0] * len(outs)
        for at, timed, place in sorted(
            ((ts.difference(timed.dts, begins), timed, place) for timed, place in packets),
            key=lambda each: (each[0], each[2]),
        ):
            dts = base + at
            if dts <= last[place]:
                continue  # sent already with the segment before
            last[place] = dts
            packet = timed.packet
            packet.stream = outs[place]
            packet.time_base = CLOCK
            packet.dts, packet.pts, packet.duration = dts, dts + timed.pts - timed.dts, timed.duration
            output.mux_one(packet)
    return target.getvalue()


def _packed_format(data: bytes) -> str:
    """Return what RFC 8216 section 3.4 packs without a container: ADTS, MP3 or AC-3."""
    start = 0
    while data[start : start + 3] == b"ID3":
        size = data[start + 6] << 21 | data[start + 7] << 14 | data[start + 8] << 7 | data[start + 9]
        start += _ID3_HEADER + size
    sync = data[start : start + 2]
    if sync == b"\x0b\x77":
        return "eac3"
    return "mp3" if len(sync) == len(b"..") and sync[1] & 6 else "aac"


def _stamp(data: bytes) -> int | None:
    place = data[:4096].find(_STAMP)
    if place < 0:
        return None
    begin = place + len(_STAMP)
    return int.from_bytes(data[begin : begin + _STAMP_BYTES]) % ts.WRAP


class Worker:
    """Answers orders until the other side hangs up."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._channels: dict[int, Channel] = {}

    def serve(self) -> None:
        """Answer each order."""
        while (packed := self._read(SIZES.size)) is not None:
            head_size, data_size = sizes(packed, ORDER_LIMIT)
            head, data = self._read(head_size), self._read(data_size)
            if head is None or data is None:
                return
            cuts: list[Cut] = []
            pieces: list[bytes] = []
            refused = ""
            try:
                for number, piece in self._obey(decode_order(head), data):
                    cuts.append(Cut(number, len(piece)))
                    pieces.append(piece)
            except (
                av.error.FFmpegError,
                ValueError,
                LookupError,
                MemoryError,
                OverflowError,
                TypeError,
            ) as error:
                refused = type(error).__name__
            del data
            answer = Answer(cuts=tuple(cuts), refused=refused)
            self._line.sendall(header(answer, sum(map(len, pieces))))
            for piece in pieces:
                self._line.sendall(piece)
            # Containers and their streams hold each other, and whole segments with them.
            gc.collect()

    def _obey(self, order: Order, data: bytes) -> Iterator[tuple[int, bytes]]:
        match order:
            case Feed():
                while order.channel not in self._channels and len(self._channels) >= MOST_CHANNELS:
                    del self._channels[next(iter(self._channels))]
                yield from self._channels.setdefault(order.channel, Channel()).feed(order, data)
            case Force(channel=number) if number in self._channels:
                yield from self._channels[number].force()
            case _:
                self._channels.pop(order.channel, None)

    def _read(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        view, got = memoryview(buffer), 0
        while got < size:
            count = self._line.recv_into(view[got:])
            if not count:
                return None
            got += count
        return bytes(buffer)


_PROBES = {False: _INPUT, True: {**_INPUT, "probesize": "4096"}}


def keep_little_memory() -> None:
    """Have memory of segments given back as soon as it is free, and what is there now left alone."""
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError):  # another C library than glibc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, SEGMENT_BYTES)


def main() -> None:
    """Serve on the socket whose descriptor is the first argument."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    keep_little_memory()
    with socket.socket(fileno=int(sys.argv[1])) as line:
        # Nothing that a segment names can be opened: no descriptor is left to have.
        resource.setrlimit(resource.RLIMIT_NOFILE, (line.fileno() + 1, line.fileno() + 1))
        try:
            Worker(line).serve()
        except (WireError, OSError):
            sys.exit(1)


if __name__ == "__main__":
    main()
