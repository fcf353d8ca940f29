"""Lists as they go round: each kind of line somebody really writes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.lineup import Catchup, LineUp, LineUpError, Source
from gateway.media.lineup_read import decoded, parse

TXT = """\
央视频道,#genre#
CCTV-1,http://op.example/1.m3u8#http://backup.example/1.m3u8$备用线路
CCTV-5+ 体育赛事,http://op.example/5p.m3u8
// 说明
上海,#genre#
东方卫视，http://[2001:db8::7]:8080/df.m3u8
没有地址
广播,#genre#
中国之声,http://op.example/radio.m3u8
"""


def only(lines: str) -> LineUp:
    return parse(f"#EXTM3U\n{lines}\n")


def urls(line_up: LineUp) -> list[str]:
    return [source.url for channel in line_up.channels for source in channel.sources]


def test_a_list_of_genres_is_read() -> None:
    line_up = parse(TXT)
    assert [(c.number, c.name, c.group, c.radio) for c in line_up.channels] == [
        (1, "CCTV-1", "央视频道", False),
        (2, "CCTV-5+ 体育赛事", "央视频道", False),
        (3, "东方卫视", "上海", False),
        (4, "中国之声", "广播", True),
    ]
    assert urls(line_up)[:2] == ["http://op.example/1.m3u8", "http://backup.example/1.m3u8"]
    assert [(skipped.line, skipped.reason) for skipped in line_up.skipped] == [
        (7, "is neither a group nor a channel")
    ]


def test_a_list_without_any_genre_is_recognised_by_its_first_line() -> None:
    assert urls(parse("CCTV-1,http://op.example/1.m3u8\nCCTV-2,http://op.example/2.m3u8")) == [
        "http://op.example/1.m3u8",
        "http://op.example/2.m3u8",
    ]


def test_a_channel_named_twice_in_a_list_of_genres_has_two_sources() -> None:
    line_up = parse("a,#genre#\nCCTV-1,http://a.example/1\nCCTV-1,http://b.example/1\n")
    assert len(line_up.channels) == 1
    assert urls(line_up) == ["http://a.example/1", "http://b.example/1"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("udp://@239.3.1.1:8000", ["udp://@239.3.1.1:8000"]),
        ("udp://239.3.1.1:8000", ["udp://@239.3.1.1:8000"]),
        ("rtp://239.3.1.1:8000", ["rtp://@239.3.1.1:8000"]),
        ("rtp://10.0.0.1@239.3.1.1:8000", ["rtp://10.0.0.1@239.3.1.1:8000"]),
        ("igmp://239.3.1.1", ["udp://@239.3.1.1:1234"]),
        ("rtp://@[ff15::1]:5004", ["rtp://@[ff15::1]:5004"]),
        ("igmp://239.3.1.1:8000|rtsp://op.example/1.smil", ["udp://@239.3.1.1:8000"]),
        ("http://box.lan:4022/udp/239.3.1.1:8000", ["http://box.lan:4022/udp/239.3.1.1:8000"]),
        ("http://[2001:db8::1]/a.m3u8", ["http://[2001:db8::1]/a.m3u8"]),
        ("http://[2001:db8::1]:8080/a.m3u8", ["http://[2001:db8::1]:8080/a.m3u8"]),
        ("http://[fe80::1%25eth0]:8080/a.m3u8", ["http://[fe80::1%25eth0]:8080/a.m3u8"]),
        ("rtp://[2001:db8::7]@[ff35::1]:5004", ["rtp://[2001:db8::7]@[ff35::1]:5004"]),
        ("rtp://239.3.1.1:8000?fcc=10.0.0.1:8027", ["rtp://@239.3.1.1:8000"]),
        ("HTTP://a.example/1", ["HTTP://a.example/1"]),
        ("http://a.example/1$IPV6$备用", ["http://a.example/1"]),
        ("http://a.example/1#https://b.example/1", ["http://a.example/1", "https://b.example/1"]),
        ("http://a.example/1$高清", ["http://a.example/1"]),
        ("http://a.example/1?key=$1&x=2", ["http://a.example/1?key=$1&x=2"]),
    ],
)
def test_addresses_of_all_kinds(address: str, expected: list[str]) -> None:
    assert urls(only(f"#EXTINF:-1,A\n{address}")) == expected


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("udp://group.example:5000", "datagrams need an address in figures"),
        ("udp://@239.3.1.1:99999", "address that is not well formed (Port out of range 0-65535)"),
        ("rtp://someone@239.3.1.1:9999", "datagrams need an address in figures"),
        ("plugin://video/1", "address scheme 'plugin' is not supported"),
        ("igmp://239.3.1.1:8000|rtsp://op.example/1", "address scheme 'rtsp' is not supported"),
    ],
)
def test_what_cannot_be_pulled_is_counted(address: str, reason: str) -> None:
    line_up = only(f"#EXTINF:-1,Good\nhttp://a.example/g\n#EXTINF:-1,A\n{address}")
    assert reason in [skipped.reason for skipped in line_up.skipped]


def test_headers_go_with_the_address_they_were_written_for() -> None:
    line = "http://a.example/1|User-Agent=Box%2F1&Referer=http%3A%2F%2Fr.example%2F"
    assert only(f"#EXTINF:-1,A\n{line}").channels[0].sources == (
        Source(url="http://a.example/1", headers={"User-Agent": "Box/1", "Referer": "http://r.example/"}),
    )


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (
            'catchup="default" catchup-source="http://v.example/{utc}"',
            ("default", "http://v.example/{utc}", 0),
        ),
        ('catchup="append" catchup-source="?b={utc}" catchup-days="7"', ("append", "?b={utc}", 7)),
        ('catchup-type="shift" catchup-days="3"', ("shift", "", 3)),
        ('timeshift="4"', ("shift", "", 4)),
        ('catchup="flussonic-hls" tvg-rec="5"', ("flussonic", "", 5)),
        ('catchup="fs"', ("flussonic", "", 0)),
        ('catchup="flussonic-ts"', ("flussonic-ts", "", 0)),
        ('catchup="xc" catchup-days="2"', ("xc", "", 2)),
        ('catchup="vod"', ("vod", "", 0)),
        (
            'catchup-source="?playseek=${(b)yyyyMMddHHmmss}-${(e)yyyyMMddHHmmss}"',
            ("append", "?playseek=${(b)yyyyMMddHHmmss}-${(e)yyyyMMddHHmmss}", 0),
        ),
        ('catchup-source="rtsp://x/{utc}"', ("default", "rtsp://x/{utc}", 0)),
        ('catchup="disabled" catchup-source="?x"', None),
        ('tvg-rec="3"', ("shift", "", 3)),
        ('catchup-days="3"', None),
        ("", None),
    ],
)
def test_a_channels_past_is_said_in_many_ways(attributes: str, expected: tuple[str, str, int] | None) -> None:
    found = only(f"#EXTINF:-1 {attributes},A\nhttp://a.example/1").channels[0].catchup
    assert found == (Catchup(kind=expected[0], source=expected[1], days=expected[2]) if expected else None)


def test_the_head_of_a_list_speaks_for_all_its_channels() -> None:
    text = """\
#EXTM3U catchup="append" catchup-source="?b={utc}" catchup-days="7" catchup-correction="-2.5" tvg-shift="1"
#PLAYLIST:All
#EXTINF:-1 catchup-days="3" tvg-shift="-1.5",A
#KODIPROP:inputstream=inputstream.adaptive
#WEBPROP:web-regex=x
http://a.example/1
#EXTINF:-1,B
http://a.example/2
"""
    first, second = parse(text).channels
    assert first.catchup == Catchup(kind="append", source="?b={utc}", days=3, correction_s=-9000)
    assert second.catchup == Catchup(kind="append", source="?b={utc}", days=7, correction_s=-9000)
    assert (first.guide_shift_s, second.guide_shift_s) == (-5400, 3600)


def test_a_channel_may_be_in_several_groups() -> None:
    channel = only('#EXTINF:-1 group-title="央视;4K; 央视",A\nhttp://a.example/1').channels[0]
    assert (channel.group, channel.groups) == ("央视", ("央视", "4K"))


@pytest.mark.parametrize(
    ("line", "radio"),
    [
        ('radio="true",A', True),
        ('group-title="Radio",A', True),
        ('group-title="广播电台",A', True),
        ('radio="false" group-title="广播电台",A', False),
        ('group-title="Radiohead live",A', False),
        ('tvg-type="audio",A', True),
    ],
)
def test_radio_is_known(line: str, *, radio: bool) -> None:
    assert only(f"#EXTINF:-1 {line}\nhttp://a.example/1").channels[0].radio is radio


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "gb18030"])
def test_lists_come_in_the_encodings_of_chinese_editors(encoding: str) -> None:
    assert [channel.name for channel in parse(decoded(TXT.encode(encoding))).channels][2:] == [
        "东方卫视",
        "中国之声",
    ]


def test_a_signed_list_may_name_the_hosts_its_streams_come_from() -> None:
    line_up = LineUp(hosts=["A.example", "*.cdn.example"])
    assert [line_up.allows(host) for host in ("a.example", "x.cdn.example", "cdn.example", "b.example")] == [
        True,
        True,
        False,
        False,
    ]
    assert LineUp().allows("anything")


def test_a_thousand_channels_are_a_thousand_channels() -> None:
    text = "#EXTM3U\n" + "".join(
        f'#EXTINF:-1 tvg-id="c{n}" tvg-chno="{n}" group-title="g{n % 9}",频道 {n}\n'
        f"http://a.example/{n}.m3u8\nhttp://b.example/{n}.m3u8\n"
        for n in range(1, 1001)
    )
    line_up = parse(text)
    assert [channel.number for channel in line_up.channels] == list(range(1, 1001))
    assert all(len(channel.sources) == 2 for channel in line_up.channels)


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_no_list_whatever_breaks_the_reader(text: str) -> None:
    try:
        line_up = parse(text)
    except LineUpError:
        return
    assert line_up.channels
    assert all(channel.sources for channel in line_up.channels)


LINES = st.sampled_from(
    [
        "#EXTINF:-1,A",
        "#EXTINF:-1 tvg-id=x,B",
        "http://a.example/1",
        "rtsp://a/1",
        "#EXTGRP:g",
        "x",
        "",
        "udp://x",
    ]
)


@given(st.lists(LINES, max_size=30))
def test_every_line_is_a_channel_an_address_a_directive_or_counted(lines: list[str]) -> None:
    good = "#EXTM3U\n#EXTINF:-1,Good\nhttp://good.example/1\n"
    line_up = parse(good + "\n".join(lines))
    addresses = [line for line in lines if line and not line.startswith("#")]
    taken = {source.url for channel in line_up.channels for source in channel.sources}
    skipped = {skipped.line for skipped in line_up.skipped}
    for number, line in enumerate(lines, start=4):
        if line in addresses:
            assert line in taken or number in skipped
