import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from aiohttp import web

from gateway.media import ts
from gateway.media.lineup import ChannelId, Source
from gateway.media.relay_facts import NotContinuousError, RelayConfig, Weight
from gateway.media.relay_fetch import client_session
from gateway.media.relay_pull import ChannelPull, House
from gateway.media.relay_remux import Made, Remuxer, RemuxError
from gateway.media.relay_remux_language import iso_639_2
from gateway.media.relay_remux_wire import ORDER_LIMIT, PICTURE, Feed, Force, Sound
from gateway.pubsub import Publisher
from tests.conftest import Serve
from tests.media.head_end import HeadEnd, Regular, status
from tests.media.relay_fixtures import relaying, some_of

NEWS = ChannelId("news")
ENOUGH_BYTES = 150_000
FORTY_FRAMES = 40 * 1024 * ts.CLOCK_HZ // 48_000


@asynccontextmanager
async def remuxing(**times_s: float) -> AsyncIterator[Remuxer]:
    """Run the process for the length of the block, for at most half a minute."""
    remuxer = Remuxer(**times_s)
    running = asyncio.create_task(remuxer.run(), name="remuxer")
    try:
        async with asyncio.timeout(30):
            yield remuxer
    finally:
        running.cancel()
        await asyncio.wait([running])


def probe(data: bytes, file: Path, entries: str) -> dict[str, list[dict[str, str]]]:
    """Return what ffprobe says of `data`; a complaint of its is a failure."""
    file.write_bytes(data)
    seen = subprocess.run(
        ["ffprobe", "-v", "warning", "-of", "json", "-show_entries", entries, str(file)],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    complaints = [line for line in seen.stderr.splitlines() if "Continuity" in line or "corrupt" in line]
    assert not complaints
    found: dict[str, list[dict[str, str]]] = json.loads(seen.stdout)
    return found


def only_forward(data: bytes, file: Path, *, most_s: float) -> int:
    """Check that the time of each stream only goes forward, in steps; return how many streams there are."""
    packets = probe(data, file, "packet=stream_index,dts_time")["packets"]
    streams = {packet["stream_index"] for packet in packets}
    for stream in streams:
        times = [float(packet["dts_time"]) for packet in packets if packet["stream_index"] == stream]
        steps = [after - before for before, after in pairwise(times)]
        assert len(times) > 10
        assert all(0 < step < most_s for step in steps)
    return len(streams)


async def test_a_fragmented_channel_is_one_transport_stream(
    serve: Serve, head_end: HeadEnd, tmp_path: Path
) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", ENOUGH_BYTES)

    assert only_forward(data, tmp_path / "seen.ts", most_s=0.2) == 2
    assert ts.key_frames(data)[0].offset < 8 * ts.PACKET
    assert ts.advance_needed(data) < ts.CLOCK_HZ // 100


async def test_all_languages_are_in_the_stream_and_say_so(
    serve: Serve, head_end: HeadEnd, tmp_path: Path
) -> None:
    async with relaying(serve, head_end, news="multi/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", ENOUGH_BYTES)

    assert only_forward(data, tmp_path / "seen.ts", most_s=0.2) == 3
    streams = probe(data, tmp_path / "seen.ts", "stream=codec_type:stream_tags=language")["streams"]
    assert [str(stream.get("tags")) for stream in streams] == [
        "None",
        "{'language': 'zho'}",
        "{'language': 'eng'}",
    ]


async def test_a_language_that_does_not_come_costs_only_itself(
    serve: Serve, head_end: HeadEnd, tmp_path: Path
) -> None:
    head_end.interfere("multi/en", status(404))
    async with relaying(serve, head_end, news="multi/index.m3u8") as relay, asyncio.timeout(20):
        data = await some_of(relay, "news", ENOUGH_BYTES)

    assert only_forward(data, tmp_path / "seen.ts", most_s=0.2) == 2


async def test_a_channel_whose_media_is_nonsense_is_refused_soon(serve: Serve, head_end: HeadEnd) -> None:
    async def nonsense(request: web.Request, regular: Regular) -> web.StreamResponse:
        if "init" in request.path:
            return await regular()
        return web.Response(body=b"\0\0\0\x08moof" * 1000)

    head_end.interfere("fmp4/fmp4-", nonsense)
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(10):
        with pytest.raises(NotContinuousError):
            await some_of(relay, "news", 1)


async def test_a_warm_channel_of_any_kind_has_its_transport_stream_ready(
    serve: Serve, head_end: HeadEnd
) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(20):
        relay.warm([NEWS])
        with relay.facts.subscribe():
            while relay.temperature(NEWS) == "cold":
                await head_end.broadcast(1)
        await head_end.broadcast(2)
        began = asyncio.get_running_loop().time()
        stream = await some_of(relay, "news", 1)
        took_s = asyncio.get_running_loop().time() - began

    assert ts.is_ts(stream)
    assert took_s < 0.2


async def test_a_recorder_gets_every_piece_with_its_number(serve: Serve, head_end: HeadEnd) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(20):
        pieces = []
        stream = relay.follow(NEWS, weight=Weight.RECORDING)
        async for piece in stream:
            pieces.append(piece)
            if len(pieces) == 4:
                break
        await stream.aclose()

    assert [after.number - before.number for before, after in pairwise(pieces)] == [1, 1, 1]
    assert len({piece.pull for piece in pieces}) == 1
    assert all(ts.is_ts(piece.data) and ts.tables(piece.data) for piece in pieces)


async def test_the_picture_goes_on_after_the_process_was_killed(
    serve: Serve, head_end: HeadEnd, tmp_path: Path
) -> None:
    async with relaying(serve, head_end, news="fmp4/index.m3u8") as relay, asyncio.timeout(25):
        received = bytearray()
        killed_at = 0
        stream = relay.continuous(NEWS)
        async for chunk in stream:
            received += chunk
            if not killed_at and len(received) > ENOUGH_BYTES // 2:
                killed_at = len(received)
                assert kill_children(signal.SIGKILL) == 1
            if killed_at and len(received) > killed_at + ENOUGH_BYTES:
                break
        await stream.aclose()

    only_forward(bytes(received), tmp_path / "seen.ts", most_s=3.0)


def kill_children(number: int) -> int:
    """Send a signal to every process that repacks for this one; return how many there were."""
    found = 0
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and is_worker_of_ours(folder):
                os.kill(int(folder.name), number)
                found += 1
        except (OSError, ValueError):
            continue
    return found


def is_worker_of_ours(folder: Path) -> bool:
    """Tell whether the process is a child of this one that repacks."""
    parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return parent == os.getpid() and b"relay_remux_worker" in (folder / "cmdline").read_bytes()


def fragmented(material: Path, at: int) -> bytes:
    """Return a segment with its init section."""
    return (material / "fmp4-init.mp4").read_bytes() + (material / f"fmp4-{at}.m4s").read_bytes()


async def test_pieces_keep_the_time_of_their_source_and_begin_with_a_key_frame(live_material: Path) -> None:
    async with remuxing() as remuxer:
        made = [
            await remuxer.ask(Feed(1, PICTURE, at, "m4s", ()), fragmented(live_material, at))
            for at in range(4)
        ]
    pieces = [data for each in made for _, data in each.pieces]
    spans = [
        (span[0] - ts.WRAP if span[0] > span[1] else span[0], span[1])
        for data in pieces
        if (span := ts.span(data))
    ]
    begin = spans[0][0]

    assert [number for each in made for number, _ in each.pieces] == [0, 1, 2, 3]
    assert [span[0] for span in spans] == [begin + 45_000 * at for at in range(4)]
    assert [span[1] for span in spans] == [begin + 45_000 * at for at in range(1, 5)]
    for data in pieces:
        assert ts.key_frames(data)[0].offset < 8 * ts.PACKET
        assert ts.tables(data[: 4 * ts.PACKET]) is not None
        assert ts.difference(ts.span(data)[0], ts.pcr(data, ts.pcr_positions(data)[0])) == ts.LEAD  # type: ignore[index]


async def test_a_piece_waits_for_its_sound_but_not_for_ever(live_material: Path) -> None:
    sounds = (Sound("a0", "zho"), Sound("a1", "eng"))
    picture = (live_material / "video-1.ts").read_bytes()
    async with remuxing() as remuxer:
        first = await remuxer.ask(Feed(1, PICTURE, 7, "ts", sounds), picture)
        sound = (live_material / "zh-0.ts").read_bytes() + (live_material / "zh-1.ts").read_bytes()
        second = await remuxer.ask(Feed(1, "a0", 7, "ts", sounds), sound)
        forced = await remuxer.ask(Force(1))

    assert (first.pieces, second.pieces) == ((), ())
    assert [number for number, _ in forced.pieces] == [7]
    table = ts.tables(forced.pieces[0][1])
    assert table is not None
    assert b"zho" in table.pmt
    assert b"eng" not in table.pmt


def packed_sound(stamp: int | None) -> bytes:
    """Return 40 frames of ADTS, with the time before it as RFC 8216 wants."""
    sound = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=440:r=48000:d=1",
         "-c:a", "aac", "-frames:a", "40", "-f", "adts", "-"],
        capture_output=True, check=True, timeout=30,
    ).stdout  # fmt: skip
    if stamp is None:
        return sound
    body = b"com.apple.streaming.transportStreamTimestamp\0" + stamp.to_bytes(8)
    frame = b"PRIV" + len(body).to_bytes(4) + b"\0\0" + body
    return b"ID3\x04\0\0\0\0\0" + bytes([len(frame)]) + frame + sound


async def test_radio_without_pictures_is_a_transport_stream_too(tmp_path: Path) -> None:
    async with remuxing() as remuxer:
        made = [
            await remuxer.ask(Feed(1, PICTURE, at, "aac", ()), packed_sound(900_000 + FORTY_FRAMES * at))
            for at in range(3)
        ]
        unstamped = await remuxer.ask(Feed(2, PICTURE, 0, "aac", ()), packed_sound(None))
    data = b"".join(piece for each in made for _, piece in each.pieces)

    assert only_forward(data, tmp_path / "radio.ts", most_s=0.1) == 1
    span = ts.span(data)
    assert span is not None
    assert span[0] == 900_000
    assert ts.key_frames(data)
    assert len(unstamped.pieces) == 1


async def test_time_goes_round_at_33_bits_in_the_middle_of_a_piece() -> None:
    async with remuxing() as remuxer:
        made = await remuxer.ask(Feed(1, PICTURE, 0, "aac", ()), packed_sound(ts.WRAP - 45_000))
    span = ts.span(made.pieces[0][1])

    assert span is not None
    assert span[0] == ts.WRAP - 45_000
    assert span[1] == FORTY_FRAMES - 45_000


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("m4s", b""),
        ("m4s", b"\0\0\0\x08moov" * 1000),
        ("m4s", b"\xff\xff\xff\xffmoof" + bytes(5000)),
        ("ts", b"G" * 188_000),
        ("aac", b"\xff\xf1" * 3000),
        ("m4s", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
    ],
    ids=["nothing", "empty boxes", "a box too long", "nonsense", "no frames", "a playlist"],
)
async def test_hostile_media_costs_itself_only(live_material: Path, kind: str, data: bytes) -> None:
    async with remuxing() as remuxer:
        bad = await remuxer.ask(Feed(1, PICTURE, 0, kind, ()), data)
        good = await remuxer.ask(Feed(1, PICTURE, 1, "m4s", ()), fragmented(live_material, 1))

    assert bad.refused
    assert not bad.pieces
    assert [number for number, _ in good.pieces] == [1]


async def test_media_cut_off_anywhere_never_brings_the_process_down(live_material: Path) -> None:
    whole = fragmented(live_material, 2)
    lives = set()
    async with remuxing() as remuxer:
        for part in range(1, 20):
            made = await remuxer.ask(Feed(1, PICTURE, part, "m4s", ()), whole[: len(whole) * part // 20])
            lives.add(made.life)

    assert lives == {1}


@contextmanager
def held(pid: int) -> Iterator[None]:
    """Hold a process as if it hung."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return


async def test_a_process_that_hangs_is_killed_and_started_again(live_material: Path) -> None:
    async def ask(remuxer: Remuxer, at: int) -> Made:
        return await remuxer.ask(Feed(1, PICTURE, at, "m4s", ()), fragmented(live_material, at))

    async with remuxing(deadline_s=1.0) as remuxer:
        first = await ask(remuxer, 1)
        pid = remuxer.pid
        assert pid is not None
        with held(pid), pytest.raises(RemuxError):
            await ask(remuxer, 2)
        third = await ask(remuxer, 3)

    assert (first.life, third.life) == (1, 2)
    assert len(third.pieces) == 1


async def test_a_process_that_nobody_needs_ends(live_material: Path) -> None:
    async with remuxing(idle_s=0.2) as remuxer:
        await remuxer.ask(Feed(1, PICTURE, 0, "m4s", ()), fragmented(live_material, 0))
        assert remuxer.pid is not None
        while remuxer.pid is not None:  # noqa: ASYNC110 - the end of a process is not told to anybody
            await asyncio.sleep(0.02)


def test_the_process_ends_when_it_is_asked_too_much() -> None:
    code = (
        "import socket, subprocess, sys\n"
        "a, b = socket.socketpair()\n"
        "p = subprocess.Popen([sys.executable, '-m', 'gateway.media.relay_remux_worker', str(b.fileno())],"
        " pass_fds=[b.fileno()])\n"
        "b.close()\n"
        f"a.sendall((10).to_bytes(4) + ({ORDER_LIMIT} + 1).to_bytes(4))\n"
        "print(p.wait(20), a.recv(10))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )

    assert said.stdout.strip() == "1 b''"


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("zh", "zho"),
        ("zh-Hans-CN", "zho"),
        ("EN", "eng"),
        ("yue", "yue"),
        ("bo", "bod"),
        ("", "und"),
        ("x1y", "und"),
    ],
)
def test_languages_have_three_letters_in_a_transport_stream(tag: str, code: str) -> None:
    assert iso_639_2(tag) == code


async def test_the_process_starts_before_there_is_anything_to_repack() -> None:
    async with remuxing() as remuxer:
        remuxer.wake()
        while remuxer.pid is None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.02)
        remuxer.wake()
        made = await remuxer.ask(Force(1))

    assert (made.life, made.pieces) == (1, ())


@pytest.mark.parametrize(("channel", "woken"), [("fmp4", True), ("multi", True), ("plain", False)])
async def test_who_will_have_to_be_repacked_is_known_from_the_list(
    head_end: HeadEnd, channel: str, woken: bool
) -> None:
    config, woke = RelayConfig(), asyncio.Event()
    source = Source(url=head_end.url(f"{channel}/index.m3u8"))
    with ThreadPoolExecutor(1) as worker:
        async with client_session(config) as session:
            house = House(session, Publisher(), worker, repacks=woke.set)
            pull = ChannelPull(NEWS, lambda: (source,), config, house)
            pulling = asyncio.create_task(pull.run(), name="pull")
            async with asyncio.timeout(10):
                await pull.until_playing()
            pulling.cancel()
            await asyncio.wait([pulling])

    assert woke.is_set() is woken
