"""The bench's own instruments: an eye that is late or a line that is too fast proves nothing."""

import asyncio
import struct
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bench.zap_detector import Change, Framebuffer, judge, screen
from bench.zap_line import INITIAL_BYTES, Connection, Line, LineSpeed, transfer_s
from bench.zap_loop import Loop
from bench.zap_material import BLOCKS, HEIGHT, WIDTH, Colour, block
from bench.zap_origin import Origin
from bench.zap_report import Zap, figures, percentile
from bench.zap_site import Channel, Kind, Site
from headend.demo import stock

SPEED = LineSpeed()
RTT_S = SPEED.rtt_s
RED, BLUE = Colour.RED, Colour.BLUE


# The line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "trips"),
    [
        (1, 2),
        (INITIAL_BYTES, 2),
        (INITIAL_BYTES + 1, 3),
        (3 * INITIAL_BYTES, 3),
        (7 * INITIAL_BYTES, 4),
        (7 * INITIAL_BYTES + 1, 5),
    ],
)
def test_a_fresh_connection_takes_the_round_trips_of_slow_start(size: int, trips: int) -> None:
    """Connecting is one, asking another; each window is twice the one before."""
    line_s = size * 8 / SPEED.rate_bps
    took_s = transfer_s(size, SPEED)
    assert trips * RTT_S < took_s <= trips * RTT_S + line_s + 0.001


def test_a_large_body_comes_at_the_rate_of_the_line() -> None:
    more_s = transfer_s(8_000_000, SPEED) - transfer_s(4_000_000, SPEED)
    assert more_s == pytest.approx(4_000_000 * 8 / SPEED.rate_bps)


def test_two_share_the_line() -> None:
    line = Line(SPEED)
    ends = []
    for connection in (Connection(line, 0.0), Connection(line, 0.0)):
        at_s = connection.asked(0.0)
        left = 2_000_000
        while left:
            size, came_s = connection.send(left, at_s)
            left -= size
        ends.append(came_s)
    assert max(ends) > 2 * 2_000_000 * 8 / SPEED.rate_bps


def test_a_connection_kept_open_is_quicker_and_one_that_rested_begins_anew() -> None:
    connection = Connection(Line(SPEED), 0.0)

    def took_s(asked_s: float, size: int) -> float:
        at_s = connection.asked(asked_s)
        while size:
            sent, came_s = connection.send(size, at_s)
            size -= sent
        return came_s - asked_s

    first_s = took_s(0.0, 200_000)
    at_once_s = took_s(first_s, 200_000)
    rested_s = took_s(first_s + 5, 200_000)
    assert at_once_s < rested_s < first_s
    assert first_s - rested_s == pytest.approx(RTT_S)


# The origin -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of small pictures, as one colour's best rendition."""
    folder = tmp_path_factory.mktemp("material")
    target = folder / "red" / "1080"
    target.mkdir(parents=True)
    inputs = "-f lavfi -i testsrc2=s=160x90:r=10:d=60 -f lavfi -i sine=sample_rate=32000:duration=60"
    codecs = "-c:v libx264 -preset ultrafast -b:v 800k -minrate 800k -g 20 -sc_threshold 0 -c:a aac"
    hls = "-f hls -hls_time 2 -hls_playlist_type vod -hls_segment_filename %03d.ts index.m3u8"
    line = f"ffmpeg -nostdin -v error {inputs} {codecs} -t 60 {hls}"
    subprocess.run(line.split(), cwd=target, check=True, timeout=60)
    stock.take(target)
    return folder


def test_segments_are_those_of_the_demo(material: Path) -> None:
    """The quick way to move a segment in time gives the same bytes as the plain one."""
    source = stock.load(material / "red" / "1080")
    loop = Loop(source)
    newest = source.newest(time.time())
    for number in (newest, newest + 1, newest + len(source.files) * 7 + 3):
        assert loop.segment(number) == source.segment(number)


async def test_bytes_take_the_time_that_the_line_says(material: Path) -> None:
    """Measured from outside, over a real socket."""
    site = Site(material)
    now = time.time()
    newest = stock.load(material / "red" / "1080").newest(now)
    path = f"/{Channel(Kind.TS2, RED).id}/1080/{newest}.ts"
    size = len(site.answer(path, now, host="").body)
    async with asyncio.timeout(10), Origin(site, Line(SPEED)).listening() as port:
        began_s = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(size)
        took_s = time.monotonic() - began_s
        writer.close()
        await writer.wait_closed()
    assert body
    # Never faster; later only by what this machine is busy with.
    assert transfer_s(len(head) + size, SPEED) - 0.002 <= took_s <= transfer_s(len(head) + size, SPEED) + 0.5


# The eye ----------------------------------------------------------------------------------------------


class Picture:
    """A framebuffer as Xvfb lays it out, painted by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        header = [0] * 25
        header[0], header[4], header[5], header[12], header[19] = 100, WIDTH, HEIGHT, WIDTH * 4, 0
        self._head = struct.pack(">25I", *header)
        self._pixels = bytearray(WIDTH * HEIGHT * 4)
        self.save()

    def fill(self, colour: bytes, *, height: int = HEIGHT) -> None:
        self._pixels[: WIDTH * height * 4] = colour * (WIDTH * height)

    def count(self, frame: int) -> None:
        for number in range(BLOCKS):
            left, top, width, height = block(number)
            pixel = b"\xff\xff\xff\0" if frame >> number & 1 else b"\0\0\0\0"
            for y in range(round(top * HEIGHT), round((top + height) * HEIGHT)):
                at = (y * WIDTH + round(left * WIDTH)) * 4
                self._pixels[at : at + round(width * WIDTH) * 4] = pixel * round(width * WIDTH)

    def save(self) -> None:
        self.path.write_bytes(self._head + self._pixels)


BLUE_PIXEL, RED_PIXEL = b"\xb8\x38\x28\0", b"\x28\x30\xb0\0"


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    return Picture(tmp_path / "screen")


def test_it_sees_colour_and_frame(picture: Picture) -> None:
    picture.fill(RED_PIXEL)
    picture.count(21)
    picture.save()
    assert Framebuffer(picture.path).look() == ("r", 21)


def test_a_picture_in_a_corner_is_no_picture(picture: Picture) -> None:
    """Some players paint so before they know the window."""
    picture.fill(RED_PIXEL)
    picture.fill(BLUE_PIXEL, height=HEIGHT // 2)
    picture.save()
    assert Framebuffer(picture.path).look()[0] == "-"


async def test_a_bare_screen_is_seen_as_black(tmp_path: Path) -> None:
    """The whole chain once: X server, memory, detector, pipe."""
    async with asyncio.timeout(20), screen(tmp_path, width=640, height=360) as seen:
        while not seen.changes:
            await seen.changed()
        assert [(change.colour, change.frame) for change in seen.changes] == [(None, 0)]


def frames(colour: Colour, first_s: float, count: int, every_s: float = 0.04) -> list[Change]:
    return [Change(first_s + n * every_s, colour, n % 32) for n in range(count)]


def test_a_zap_is_timed_to_the_first_frame_of_the_new_channel() -> None:
    changes = [*frames(RED, 9.0, 30), Change(10.21, None, 0), *frames(BLUE, 10.3, 80)]
    seen = judge(changes, BLUE, 10.0, 13.5)
    assert seen is not None
    assert seen.light_ms == pytest.approx(300)
    assert seen.freeze_ms == pytest.approx(40)
    assert seen.frames == 50


def test_what_came_before_the_key_does_not_count() -> None:
    """A zap back must not be answered by the picture of the zap before."""
    changes = [*frames(BLUE, 8.0, 20), *frames(RED, 9.0, 30)]
    assert judge(changes, BLUE, 10.0, 25.0) is None


def test_a_still_that_waits_is_a_freeze() -> None:
    changes = [Change(10.1, BLUE, 0), *frames(BLUE, 10.8, 80)]
    seen = judge(changes, BLUE, 10.0, 14.0)
    assert seen is not None
    assert seen.light_ms == pytest.approx(100)
    assert seen.freeze_ms == pytest.approx(700)
    assert seen.frozen_at_ms == pytest.approx(0)


def test_black_in_between_is_a_freeze() -> None:
    changes = [*frames(BLUE, 10.1, 5), Change(10.3, None, 0), *frames(BLUE, 10.9, 60)]
    seen = judge(changes, BLUE, 10.0, 14.0)
    assert seen is not None
    assert seen.freeze_ms == pytest.approx(640)
    assert seen.frozen_at_ms == pytest.approx(160)


def test_a_picture_that_stands_for_ever_freezes_until_the_end() -> None:
    seen = judge([Change(10.1, BLUE, 0)], BLUE, 10.0, 13.1)
    assert seen is not None
    assert seen.freeze_ms == pytest.approx(3000)


def test_a_freeze_later_than_two_seconds_is_another_matter() -> None:
    changes = [*frames(BLUE, 10.0, 60), *frames(BLUE, 13.5, 10)]
    seen = judge(changes, BLUE, 9.9, 14.0)
    assert seen is not None
    assert seen.freeze_ms == pytest.approx(40)


# The report -------------------------------------------------------------------------------------------


def zap(light_ms: float | None, freeze_ms: float | None = 40.0, player_ms: float | None = None) -> Zap:
    return Zap(
        player="product mpv warm",
        kind=Kind.TS2,
        light_ms=light_ms,
        freeze_ms=freeze_ms,
        frames=50,
        how="warm",
        player_ms=player_ms,
    )


def test_a_zap_that_showed_nothing_is_the_slowest() -> None:
    it = figures([zap(100), zap(200), zap(None, None)])
    assert (it.lost, it.p50_ms, it.worst_ms, it.worst_freeze_ms) == (1, 200, float("inf"), float("inf"))


def test_a_zap_that_met_something_else_is_told_apart() -> None:
    """A wrong guess is no slow right guess, but it is not hidden either."""
    it = figures([zap(100), zap(120), replace(zap(600), how="cold")])
    assert (it.zaps, it.others, it.worst_ms) == (2, 1, 120)


def test_what_the_product_adds_is_light_less_what_its_player_says() -> None:
    assert figures([zap(100, player_ms=90), zap(120, player_ms=108)]).overhead_ms == 11


def test_the_percentile_is_one_that_was_seen() -> None:
    assert percentile(list(range(1, 31)), 0.95) == 29
    assert percentile([7.0], 0.95) == 7.0


def test_a_zap_survives_being_written_down() -> None:
    assert Zap.read(zap(None, 1.5).line()) == zap(None, 1.5)
