import asyncio
from dataclasses import replace

import pytest

from gateway.media.hls import PlaylistError, Variant
from gateway.media.hls_choice import Ability, Decoder, Ladder, bit_depth, choose
from gateway.media.lineup import ChannelId
from gateway.media.relay import Relay
from gateway.media.relay_facts import RelayConfig
from gateway.schema import FieldError
from tests.conftest import Serve
from tests.media.head_end import SEGMENT_S, HeadEnd, delayed
from tests.media.relay_fixtures import QUICK, bodies_until, relaying

NEWS = ChannelId("news")
SD = Variant(
    uri="sd", bandwidth_bps=1_000_000, height=540, frame_rate=25, codecs=("avc1.64001f", "mp4a.40.2")
)
HD = Variant(
    uri="hd", bandwidth_bps=4_000_000, height=1080, frame_rate=50, codecs=("avc1.640028", "mp4a.40.2")
)
UHD = Variant(
    uri="uhd", bandwidth_bps=20_000_000, height=2160, frame_rate=50, codecs=("hvc1.2.4.L153.B0", "ec-3")
)
ALL = [SD, HD, UHD]
AVC = Decoder(codec="h264", max_height=1080, max_fps=60)
HEVC8 = Decoder(codec="hevc", max_height=2160, max_fps=60)
HEVC10 = Decoder(codec="hevc", max_height=2160, max_fps=60, bit_depth=10)
HEVC10_30 = Decoder(codec="hevc", max_height=2160, max_fps=30, bit_depth=10)


@pytest.mark.parametrize(
    ("height", "decoders", "throughput_bps", "chosen"),
    [
        (2160, (AVC, HEVC10), None, "uhd"),
        (1080, (AVC, HEVC10), None, "hd"),
        (2160, (AVC, HEVC8), None, "hd"),
        (2160, (AVC, HEVC10_30), None, "hd"),
        (2160, (AVC,), None, "hd"),
        (2160, (AVC, HEVC10), 10e6, "hd"),
        (2160, (AVC, HEVC10), 2e6, "sd"),
        (2160, (HEVC10,), 1e3, "uhd"),
        (2160, (), None, "uhd"),
    ],
    ids=[
        "panel and decoder can", "panel", "8 bits only", "30 pictures only", "no HEVC", "line", "thin line",
        "nothing else to decode", "any decoder",
    ],
)  # fmt: skip
def test_a_picture_is_chosen_only_when_panel_decoder_and_line_can(
    height: int, decoders: tuple[Decoder, ...], throughput_bps: float | None, chosen: str
) -> None:
    assert choose(ALL, Ability(max_height=height, decoders=decoders), throughput_bps).uri == chosen


def test_a_box_without_a_fitting_decoder_says_so() -> None:
    with pytest.raises(PlaylistError, match="can decode none"):
        choose(ALL, Ability(decoders=(Decoder(codec="av1", max_height=2160, max_fps=60),)))


@pytest.mark.parametrize(
    ("codec", "bits"),
    [
        ("avc1.640028", 8), ("avc1.6e0033", 10), ("avc1", 8), ("hvc1.1.6.L93", 8), ("hev1.2.4.L153", 10),
        ("vp09.02.51.10", 10), ("av01.0.08M.10", 10), ("av01.0.08M.08", 8), ("mp4a.40.2", 8), ("", 8),
    ],
)  # fmt: skip
def test_bits_are_read_from_the_codec_string(codec: str, bits: int) -> None:
    assert bit_depth(codec) == bits


@pytest.mark.parametrize(
    ("start", "loads", "every_s", "path"),
    [
        (HD, [0.1] * 20, 2.0, ["uhd"]),
        (HD, [0.1] * 20, 0.1, []),
        (HD, [0.3] * 20, 2.0, []),
        (HD, [1.2], 2.0, ["sd"]),
        (HD, [0.9, 0.5, 0.9, 0.5], 2.0, []),
        (HD, [0.9, 0.9], 2.0, ["sd"]),
        (UHD, [1.1], 2.0, ["hd"]),
        (UHD, [8.0], 2.0, ["sd"]),
        (SD, [5.0] * 3, 2.0, []),
        (SD, [0.05] * 5 + [0.05] * 5, 2.0, ["hd", "uhd"]),
        (HD, [0.1] * 5 + [1.5] + [0.1] * 7, 2.0, ["uhd", "hd"]),
    ],
    ids=[
        "room upwards", "too soon", "no room", "late", "now and then heavy", "heavy twice", "a little late",
        "far too late", "nowhere lower", "rung by rung", "longer after a mistake",
    ],
)  # fmt: skip
def test_the_rung_follows_the_line(
    start: Variant, loads: list[float], every_s: float, path: list[str]
) -> None:
    ladder = Ladder(ALL, start, now_s=0.0, hold_s=8.0)
    taken = [ladder.after(load, at * every_s) for at, load in enumerate(loads, start=1)]

    assert [variant.uri for variant in taken if variant is not None] == path


async def until_height(relay: Relay, head_end: HeadEnd, height: int) -> None:
    """Wait until a picture of that height is pulled."""
    while relay.state[NEWS].height != height:
        await head_end.broadcast(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dated", "renumbered"),
    [(False, 0), (True, 0), (True, 5000)],
    ids=["by number", "by date", "numbers differ"],
)
async def test_a_late_line_steps_down_and_up_again_and_loses_nothing(
    serve: Serve, head_end: HeadEnd, dated: bool, renumbered: int
) -> None:
    head_end.dated = dated
    head_end.renumbered["low"] = renumbered
    config = replace(QUICK, step_up_after_s=1.0, window_segments=12, keep_segments=12)
    async with relaying(serve, head_end, config, news="steps/index.m3u8") as relay, asyncio.timeout(30):
        await relay.open(NEWS)
        assert relay.state[NEWS].height == 720
        collecting = asyncio.ensure_future(bodies_until(relay, "news", 22))
        head_end.interfere("steps/plain-", delayed(1.1 * SEGMENT_S))
        await until_height(relay, head_end, 360)
        head_end.interfere("steps/plain-", delayed(0.0))
        await until_height(relay, head_end, 720)
        bodies, breaks = await collecting

    first = next(at for at in range(90, 200) if head_end.media("plain", at) == bodies[0])
    assert bodies == [head_end.media("plain", first + at) for at in range(len(bodies))]
    assert sum(jump for at, jump in enumerate(breaks) if (first + at) % 40) == 2


def test_a_decoder_that_cannot_be_is_refused() -> None:
    with pytest.raises(FieldError):
        Decoder(codec="h267", max_height=1080, max_fps=50)
    with pytest.raises(FieldError):
        RelayConfig(min_score=1.5)
