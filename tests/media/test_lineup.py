import pytest

from gateway.media.lineup import Catchup, ChannelId, LineUp, LineUpError, SkippedLine, Source
from gateway.media.lineup_read import parse

LIST = """\
#EXTM3U x-tvg-url="http://op.example/epg.xml.gz, http://b.example/e.xml"
#EXTINF:-1 tvg-id="CCTV1" tvg-name="CCTV-1 HD" tvg-logo="http://op.example/1.png" \
tvg-chno="1" group-title="央视",CCTV-1, General
http://op.example/1.m3u8
#EXTINF:-1 tvg-chno=8 group-title="4K",北京卫视 4K
#EXTVLCOPT:http-user-agent=Box/1
http://[2001:db8::1]:8080/bj.m3u8|Referer=http%3A%2F%2Fop.example%2F
#EXTINF:-1,新闻
#EXTGRP:News
http://op.example/news.m3u8
http://backup.example/news.m3u8
"""


def test_a_whole_list_is_read() -> None:
    line_up = parse(LIST)

    assert [(c.number, c.name, c.group) for c in line_up.channels] == [
        (1, "CCTV-1, General", "央视"),
        (8, "北京卫视 4K", "4K"),
        (9, "新闻", "News"),
    ]
    first, second, third = line_up.channels
    assert (first.id, first.tvg_name, first.logo) == ("CCTV1", "CCTV-1 HD", "http://op.example/1.png")
    assert second.resolution == "2160p"
    assert second.sources == (
        Source(
            url="http://[2001:db8::1]:8080/bj.m3u8",
            headers={"User-Agent": "Box/1", "Referer": "http://op.example/"},
        ),
    )
    assert [source.url for source in third.sources] == [
        "http://op.example/news.m3u8",
        "http://backup.example/news.m3u8",
    ]
    assert line_up.guide_urls == ("http://op.example/epg.xml.gz", "http://b.example/e.xml")
    assert line_up.skipped == ()


@pytest.mark.parametrize(
    ("lines", "skipped"),
    [
        ("#EXTINF:-1,\nhttp://a.example/x", SkippedLine(5, "address without #EXTINF")),
        ("#EXTINF:-1,Lost", SkippedLine(4, "channel without an address")),
        ("#EXTINF:-1,\nhttp://a.example/x", SkippedLine(4, "channel without a name")),
        ("#EXTINF:-1,A\nrtsp://a.example/1", SkippedLine(5, "address scheme 'rtsp' is not supported")),
        ("#EXTINF:-1,A\nlive/a.m3u8", SkippedLine(5, "relative address")),
        (
            "#EXTINF:-1,A\nhttp://[::1/a.m3u8",
            SkippedLine(5, "address that is not well formed (Invalid IPv6 URL)"),
        ),
        ("#EXTINF:-1,A\nhttp:///a.m3u8", SkippedLine(5, "address without a host")),
        ("#EXTINF:-1," + "x" * 9000, SkippedLine(4, "is longer than 8192 characters")),
    ],
    ids=["no EXTINF", "no address", "no name", "RTSP", "relative", "bad IPv6", "no host", "endless"],
)
def test_an_unreadable_line_costs_that_line_only(lines: str, skipped: SkippedLine) -> None:
    line_up = parse(f"#EXTM3U\n#EXTINF:-1,Good\nhttp://a.example/good\n{lines}\n")

    assert [channel.name for channel in line_up.channels] == ["Good"]
    assert skipped in line_up.skipped


def test_what_editors_on_windows_leave_behind_does_not_matter() -> None:
    assert parse("\ufeff" + LIST.replace("\n", "\r\n")) == parse(LIST)


def test_relative_addresses_begin_where_the_list_is() -> None:
    line_up = parse("#EXTM3U\n#EXTINF:-1,A\n../live/a.m3u8\n", base="https://op.example/tv/list.m3u")

    assert line_up.channels[0].sources[0].url == "https://op.example/live/a.m3u8"


def test_a_repeated_channel_is_one_channel_with_several_sources() -> None:
    line_up = parse(
        "#EXTM3U\n"
        '#EXTINF:-1 tvg-id="n" tvg-chno="5",News\nhttp://a.example/1\n'
        "#EXTINF:-1,Other\nhttp://a.example/o\n"
        '#EXTINF:-1 tvg-id="n" tvg-chno="5",News (backup)\nhttp://b.example/1\n'
        "#EXTINF:-1,other\nhttp://b.example/o\n"
    )

    assert [(c.name, [s.url for s in c.sources]) for c in line_up.channels] == [
        ("News", ["http://a.example/1", "http://b.example/1"]),
        ("Other", ["http://a.example/o", "http://b.example/o"]),
    ]


def test_ids_stay_when_the_operator_reorders_the_list() -> None:
    entries = [
        '#EXTINF:-1 tvg-id="x",X\nhttp://a.example/1\n',
        "#EXTINF:-1,新闻\nhttp://a.example/2\n",
        "#EXTINF:-1,Sport One\nhttp://a.example/3\n",
    ]
    before = {c.name: c.id for c in parse("#EXTM3U\n" + "".join(entries)).channels}
    after = {c.name: c.id for c in parse("#EXTM3U\n" + "".join(reversed(entries))).channels}

    assert before == after
    assert before["Sport One"] == "sport-one"
    assert all(channel_id.isascii() and "/" not in channel_id for channel_id in before.values())


def test_two_channels_that_want_one_number_both_get_one() -> None:
    line_up = parse(
        "#EXTM3U\n"
        '#EXTINF:-1 tvg-chno="3" tvg-id="a",A\nhttp://a.example/1\n'
        '#EXTINF:-1 tvg-chno="3" tvg-id="b",B\nhttp://a.example/2\n'
        '#EXTINF:-1 tvg-chno="4" tvg-id="b",C\nhttp://a.example/3\n'
    )

    assert [(c.number, c.name) for c in line_up.channels] == [(3, "A"), (4, "C"), (5, "B")]
    assert len({c.id for c in line_up.channels}) == 3


def test_channel_up_and_down_go_round_in_the_operators_order() -> None:
    line_up = parse(LIST)
    first, second, third = line_up.channels

    assert line_up.neighbour(third.id, 1) == first
    assert line_up.neighbour(first.id, -1) == third
    assert line_up.neighbour(first.id, 1) == second
    assert line_up.neighbour(ChannelId("gone"), 1) == first
    assert LineUp().neighbour(None, 1) is None
    assert (line_up.by_number(8), line_up.by_number(7)) == (second, None)
    assert line_up.by_id(third.id) == third


def test_catch_up_of_the_header_counts_for_every_channel() -> None:
    line_up = parse(
        '#EXTM3U catchup="append" catchup-source="?t=${start}" catchup-days="7"\n'
        "#EXTINF:-1,A\nhttp://a.example/1\n"
        '#EXTINF:-1 catchup="shift" catchup-days="3",B\nhttp://a.example/2\n'
    )

    assert [c.catchup for c in line_up.channels] == [
        Catchup(kind="append", source="?t=${start}", days=7),
        Catchup(kind="shift", source="?t=${start}", days=3),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no readable channel"),
        ("<!DOCTYPE html><html>", "web page"),
        ("#EXTM3U\n", "no readable channel"),
        ("x" * (16 * 1024 * 1024 + 1), "larger"),
    ],
    ids=["empty", "web page", "no channels", "too large"],
)
def test_a_list_without_channels_is_refused(text: str, why: str) -> None:
    with pytest.raises(LineUpError, match=why):
        parse(text)


def test_more_channels_than_the_limit_are_counted_not_forgotten() -> None:
    text = "#EXTM3U\n" + "".join(f"#EXTINF:-1,C{n}\nhttp://a.example/{n}\n" for n in range(5_003))
    line_up = parse(text)

    assert (len(line_up.channels), len(line_up.skipped)) == (5_000, 3)
