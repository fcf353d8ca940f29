"""What a box meets at the demo's head-end, fault by fault."""

import asyncio
import gzip
import math
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest

from headend.demo import clock_art
from headend.demo.origin import DemoOrigin
from headend.demo.stock import EPOCH
from tests.demo.conftest import Clock

pytestmark = pytest.mark.slow

LOOP = 60
WIDTH = 320


async def get(client: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, bytes]:
    async with client.get(url, headers=headers) as answer:
        return answer.status, await answer.read()


async def tell(client: aiohttp.ClientSession, origin: DemoOrigin, fault: str, **more: object) -> None:
    order = {"channel": "xinwen", "fault": fault, **more}
    async with client.post(f"{origin.base}/control", json=order) as answer:
        assert answer.status == 200, await answer.text()


def addresses(playlist: bytes, base: str) -> list[str]:
    lines = playlist.decode().splitlines()
    return [f"{base}/{line}" for line in lines if line and not line.startswith("#")]


async def newest(client: aiohttp.ClientSession, origin: DemoOrigin) -> str:
    _, playlist = await get(client, f"{origin.base}/live/xinwen/index.m3u8")
    return addresses(playlist, f"{origin.base}/live/xinwen")[-1]


def decode(argv: Sequence[str | Path]) -> bytes:
    done = subprocess.run(argv, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout


FFMPEG = ("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "warning")


@pytest.mark.parametrize("path", ["xinwen/180", "zongyi/180", "yingshi/180", "yingshi/audio-en"])
async def test_the_end_of_a_loop_cannot_be_noticed(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock, tmp_path: Path, path: str
) -> None:
    """Every decode time follows the one before at the same distance, over the loop's end."""
    base = f"{origin.base}/live/{path}"
    seen: dict[str, bytes] = {}
    for second in range(-8, 9, 2):
        clock.now = EPOCH + 1000 * LOOP + second
        _, playlist = await get(client, f"{base}/index.m3u8")
        assert b"DISCONTINUITY" not in playlist
        for url in addresses(playlist, base):
            if url not in seen:
                seen[url] = (await get(client, url))[1]
    whole = tmp_path / "whole"
    init = (await get(client, f"{base}/init.mp4"))[1] if path.startswith("zongyi") else b""
    whole.write_bytes(init + b"".join(seen.values()))

    await asyncio.to_thread(decode, [*FFMPEG, "-i", whole, "-f", "null", "-"])
    show = ["-show_entries", "packet=codec_type,dts_time", "-of", "csv=p=0"]
    text = (await asyncio.to_thread(decode, ["ffprobe", "-v", "error", *show, str(whole)])).decode()
    for kind, distance in (("video", 0.1), ("audio", 0.032)):
        times = [float(line.split(",")[1]) for line in text.splitlines() if line.startswith(kind)]
        assert {round(b - a, 3) for a, b in pairwise(times)} <= {distance}


async def test_encrypted_segments_can_be_played_with_their_keys(
    client: aiohttp.ClientSession, origin: DemoOrigin
) -> None:
    url = f"{origin.base}/live/kejiao/index.m3u8"
    _, playlist = await get(client, url)
    assert b"#EXT-X-KEY:METHOD=AES-128" in playlist
    _, body = await get(client, addresses(playlist, f"{origin.base}/live/kejiao")[0])
    assert body[:1] != b"\x47"

    await asyncio.to_thread(
        decode, [*FFMPEG, "-live_start_index", "0", "-i", url, "-t", "4", "-f", "null", "-"]
    )


@pytest.mark.parametrize("second", [0, 14, 30, 58])
async def test_the_clock_in_the_picture_is_the_wall_clock(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock, second: int
) -> None:
    """The bead on the ring stands where a second hand would, in the frame dated so."""
    clock.now = EPOCH + 777 * LOOP + second + 2.5
    url = await newest(client, origin)
    _, playlist = await get(client, f"{origin.base}/live/xinwen/index.m3u8")
    dates = re.findall(r"DATE-TIME:\S+:(\d\d)\.000Z", playlist.decode())
    assert int(dates[-1]) == second

    argv = [*FFMPEG, "-i", url, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    frame = await asyncio.to_thread(decode, argv)

    # A mark is three pixels wide at this size, and the bead is placed on even ones.
    assert (_bead(frame) - second + 1) % 60 in {0, 1, 2}


def _bead(frame: bytes) -> int:
    """Return the mark, of sixty, at which the light on the ring has its middle."""
    scale = WIDTH / 1920
    x, y = (part * scale for part in clock_art.CENTRE)
    radius = clock_art.RING_RADIUS * scale
    angles = [math.tau * step / 720 for step in range(720)]
    spots = [(round(x + radius * math.sin(a)), round(y - radius * math.cos(a))) for a in angles]
    grey = [frame[row * WIDTH + column] for column, row in spots]
    light = [max(0, amount - max(grey) + 60) for amount in grey]
    east = sum(amount * math.sin(angle) for amount, angle in zip(light, angles, strict=True))
    north = sum(amount * math.cos(angle) for amount, angle in zip(light, angles, strict=True))
    return round(math.atan2(east, north) / math.tau * 60) % 60


async def test_two_languages_and_subtitles_are_announced(
    client: aiohttp.ClientSession, origin: DemoOrigin
) -> None:
    _, master = await get(client, f"{origin.base}/live/yingshi/index.m3u8")

    assert re.findall(r'TYPE=(\w+),.*LANGUAGE="(\w+)"', master.decode()) == [
        ("AUDIO", "zh"),
        ("AUDIO", "en"),
        ("SUBTITLES", "zh"),
        ("SUBTITLES", "en"),
    ]
    base = f"{origin.base}/live/yingshi/text-zh"
    _, playlist = await get(client, f"{base}/index.m3u8")
    _, text = await get(client, addresses(playlist, base)[-1])
    assert text.startswith(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:")


async def test_segments_that_left_the_window_or_are_not_there_yet_are_not_served(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock
) -> None:
    base = f"{origin.base}/live/zongyi"
    url = addresses((await get(client, f"{base}/index.m3u8"))[1], base)[-1]
    number = int(Path(url).stem)
    ahead = url.replace(str(number), str(number + 1))
    assert (await get(client, ahead))[0] == 404

    clock.now += 60

    assert (await get(client, url))[0] == 404


@pytest.mark.parametrize(
    ("channel", "form"),
    [
        ("xinwen", "index.m3u8?playseek={begin:%Y%m%d%H%M%S}-{end:%Y%m%d%H%M%S}"),
        ("kejiao", "index.m3u8?utc={from_s}&lutc={to_s}"),
        ("kejiao", "180/index.m3u8?utc={from_s}&lutc={to_s}"),
        ("xinwen", "index-{from_s}-{length_s}.m3u8"),
        ("xinwen", "archive-{from_s}-{length_s}.m3u8"),
    ],
)
async def test_a_stretch_of_the_last_seven_days_is_a_finished_list(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock, channel: str, form: str
) -> None:
    clock.now = EPOCH + 8 * 86_400.0
    begin = int(clock.now) - 7 * 86_400 + 34
    local = [datetime.fromtimestamp(begin + plus, UTC).astimezone() for plus in (0, 6)]
    words = {"begin": local[0], "end": local[1], "from_s": begin, "to_s": begin + 6, "length_s": 6}
    url = f"{origin.base}/live/{channel}/{form.format_map(words)}"

    status, listed = await get(client, url)

    assert status == 200
    assert listed.endswith(b"#EXT-X-ENDLIST\n")
    assert listed.count(b"#EXTINF:2.000000") == 3
    assert f"DATE-TIME:{datetime.fromtimestamp(begin, UTC):%Y-%m-%dT%H:%M:%S}".encode() in listed
    argv = [*FFMPEG, "-allowed_extensions", "ALL", "-i", url, "-frames:v", "1"]
    frame = await asyncio.to_thread(decode, [*argv, "-f", "rawvideo", "-pix_fmt", "gray", "-"])
    assert (_bead(frame) - 34 + 1) % 60 in {0, 1, 2}, "the picture does not show the second of then"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("xinwen/index.m3u8?playseek=20250101-now", 400),
        ("xinwen/index.m3u8?playseek=20250109000010-20250109000000", 400),
        ("kejiao/index.m3u8?utc=soon", 400),
        ("kejiao/index.m3u8?utc=1735689600", 404),
        ("zongyi/index-1736380000-6.m3u8", 404),
    ],
    ids=["no times", "backwards", "no number", "too long ago", "no archive"],
)
async def test_what_no_archive_holds_is_refused(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock, path: str, status: int
) -> None:
    clock.now = EPOCH + 8 * 86_400.0
    assert (await get(client, f"{origin.base}/live/{path}"))[0] == status


async def test_a_stale_list_stands_still_until_it_is_told_off(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock
) -> None:
    address = f"{origin.base}/live/xinwen/index.m3u8"
    before = await get(client, address)
    await tell(client, origin, "stale")
    clock.now += 30
    assert await get(client, address) == before

    await tell(client, origin, "off")

    assert await get(client, address) != before


async def test_listed_segments_are_missing(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await tell(client, origin, "404")
    assert (await get(client, await newest(client, origin)))[0] == 404


async def test_other_channels_go_on(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await tell(client, origin, "500")

    assert (await get(client, f"{origin.base}/live/xinwen/index.m3u8"))[0] == 500
    assert (await get(client, f"{origin.base}/live/zongyi/index.m3u8"))[0] == 200


async def test_a_slow_segment_trickles(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    url = await newest(client, origin)
    size = len((await get(client, url))[1])
    await tell(client, origin, "slow", bytes_per_s=2 * size)
    loop = asyncio.get_running_loop()

    begun = loop.time()
    _, body = await get(client, url)

    assert len(body) == size
    assert loop.time() - begun > 0.3


async def test_a_token_is_handed_out_and_expires(
    client: aiohttp.ClientSession, origin: DemoOrigin, clock: Clock
) -> None:
    await tell(client, origin, "token", valid_s=30)
    async with client.get(f"{origin.base}/live/xinwen/index.m3u8") as answer:
        assert [step.status for step in answer.history] == [302]
        playlist, resolved = await answer.read(), str(answer.url)
    url = addresses(playlist, f"{origin.base}/live/xinwen")[-1]
    assert (await get(client, url))[0] == 200
    assert (await get(client, url.partition("?")[0]))[0] == 403

    clock.now += 31

    assert (await get(client, resolved))[0] == 403
    assert (await get(client, f"{origin.base}/live/xinwen/index.m3u8"))[0] == 200


async def test_a_short_body_can_be_resumed(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    url = await newest(client, origin)
    _, whole = await get(client, url)
    await tell(client, origin, "short")

    got = await _until_broken(client, url)
    status, rest = await get(client, url, Range=f"bytes={len(got)}-")

    assert 0 < len(got) < len(whole)
    assert (status, got + rest) == (206, whole)


async def _until_broken(client: aiohttp.ClientSession, url: str) -> bytes:
    got = b""
    async with client.get(url) as answer:
        try:
            async for part in answer.content.iter_any():
                got += part
        except aiohttp.ClientPayloadError:
            return got
    pytest.fail("the whole segment came")


async def test_a_page_comes_where_media_should(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await tell(client, origin, "html")
    status, body = await get(client, f"{origin.base}/live/xinwen/index.m3u8")
    assert (status, body[:15]) == (200, b"<!DOCTYPE html>")


async def test_a_list_is_compressed_and_nothing_says_so(
    client: aiohttp.ClientSession, origin: DemoOrigin
) -> None:
    await tell(client, origin, "gzip_no_header")
    async with client.get(f"{origin.base}/live/xinwen/index.m3u8") as answer:
        assert "Content-Encoding" not in answer.headers
        assert gzip.decompress(await answer.read()).startswith(b"#EXTM3U")


async def test_a_list_is_empty(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await tell(client, origin, "empty")
    _, playlist = await get(client, f"{origin.base}/live/xinwen/index.m3u8")
    assert playlist.startswith(b"#EXTM3U")
    assert addresses(playlist, "") == []


async def test_no_answer_comes(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await tell(client, origin, "hang")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await get(client, f"{origin.base}/live/xinwen/index.m3u8")


async def test_a_web_page_cannot_give_orders(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    headers = {"Origin": "http://evil.example"}
    order = {"channel": "*", "fault": "500"}
    async with client.post(f"{origin.base}/control", json=order, headers=headers) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(
    "order",
    [
        b"{",
        b'{"channel": "xinwen"}',
        b'{"channel": "nobody", "fault": "off"}',
        b'{"channel": "*", "fault": "sad"}',
    ],
    ids=["not JSON", "no fault", "no such channel", "no such fault"],
)
async def test_a_wrong_order_is_refused_in_words(
    client: aiohttp.ClientSession, origin: DemoOrigin, order: bytes
) -> None:
    async with client.post(f"{origin.base}/control", data=order) as answer:
        assert answer.status == 400
        assert (await answer.json())["detail"]


async def test_pulls_are_counted_per_channel(client: aiohttp.ClientSession, origin: DemoOrigin) -> None:
    await get(client, await newest(client, origin))
    async with client.get(f"{origin.base}/control") as answer:
        assert await answer.json() == {"faults": {}, "pulls": {"xinwen": 1}}
