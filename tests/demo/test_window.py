import itertools
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from headend.demo import window
from headend.demo.channels import LOOP_S
from headend.demo.stock import EPOCH, Stock

moments = st.floats(EPOCH + 600, EPOCH + 10**9, allow_nan=False)
lengths = st.sampled_from([(2.0,) * 30, (6.0,) * 10, (2.016, 1.984) * 15])


def stock(durations: tuple[float, ...]) -> Stock:
    files = tuple(f"{n:03d}.ts" for n in range(len(durations)))
    return Stock(Path("/nowhere"), files, durations, 0, {}, {}, 1000)


@given(lengths, moments)
def test_the_newest_segment_is_complete_and_the_next_one_is_not(
    durations: tuple[float, ...], now: float
) -> None:
    listed = window.window(stock(durations), now)

    assert len(listed) == window.WINDOW_SEGMENTS
    assert listed[-1].end <= now + 1e-3
    assert now < listed[-1].end + max(durations) + 1e-3


@given(lengths, moments, st.floats(0, 2 * LOOP_S))
def test_the_window_slides_without_gaps_through_the_end_of_the_loop(
    durations: tuple[float, ...], now: float, later: float
) -> None:
    held = stock(durations)
    first, second = window.window(held, now), window.window(held, now + later)

    assert second[0].number >= first[0].number
    for one, next_one in itertools.chain(itertools.pairwise(first), itertools.pairwise(second)):
        assert next_one.number == one.number + 1
        assert abs(next_one.start - one.end) < 1e-3


def test_a_minute_of_the_loop_begins_when_the_wall_clocks_minute_does() -> None:
    held = stock((2.0,) * 30)

    assert all(held.moment(30 * loop).start % 60 == 0 for loop in range(1_000_000, 1_000_010))


def test_keys_change_within_the_window_and_are_announced_where_they_do() -> None:
    held = stock((2.0,) * 30)
    listed = [held.moment(n) for n in range(27, 33)]

    text = window.media_playlist(listed, window.Shape(ending="ts", encrypted=True))

    assert [line for line in text.splitlines() if "EXT-X-KEY" in line or line.endswith(".ts")] == [
        '#EXT-X-KEY:METHOD=AES-128,URI="../key/0"',
        "27.ts",
        "28.ts",
        "29.ts",
        '#EXT-X-KEY:METHOD=AES-128,URI="../key/1"',
        "30.ts",
        "31.ts",
        "32.ts",
    ]


def test_subtitles_say_the_time_of_day() -> None:
    text = window.subtitles(stock((2.0,) * 30).moment(31), "zh")

    assert text.splitlines() == [
        "WEBVTT",
        f"X-TIMESTAMP-MAP=MPEGTS:{62 * 90_000},LOCAL:00:00:00.000",
        "",
        "00:00:00.000 --> 00:00:01.000",
        "现在是 08:01:02",
        "",
        "00:00:01.000 --> 00:00:02.000",
        "现在是 08:01:03",
    ]
