"""What a list may cost, whose list it is, and in whose writing."""

import time

import pytest

from gateway.media.lineup import LineUp, LineUpError
from gateway.media.lineup_entries import MAX_SKIPPED
from gateway.media.lineup_read import MAX_LINES, decoded, parse

GOOD = "#EXTM3U\n#EXTINF:-1,Good\nhttp://a.example/g\n"
CHINESE = "央视频道,#genre#\n" + "".join(f"频道{n}号,http://a.example/{n}.m3u8\n" for n in range(200))


def test_a_flood_of_faults_is_counted_and_not_kept() -> None:
    line_up = parse(GOOD + "x\n" * 100_000)
    assert len(line_up.skipped) == MAX_SKIPPED
    assert line_up.skipped[-1].reason.endswith(f"; and {100_000 - MAX_SKIPPED} more faults")


def test_a_list_of_endless_lines_is_refused() -> None:
    with pytest.raises(LineUpError, match="lines"):
        parse(GOOD + "\n" * MAX_LINES)
    with pytest.raises(LineUpError, match="lines"):
        parse(GOOD + "\r" * MAX_LINES)
    assert parse(GOOD + "\r\n" * (MAX_LINES - 10)).channels


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXTINF:6.0,title\nhttp://a.example/1.ts\n",
        "#EXTM3U\r\n#EXT-X-STREAM-INF:BANDWIDTH=1\r\nhttp://a.example/low.m3u8\r\n",
    ],
    ids=["media playlist", "master playlist"],
)
def test_the_address_of_one_channel_is_no_line_up(text: str) -> None:
    with pytest.raises(LineUpError, match="one channel"):
        parse(text)


def test_one_bad_byte_does_not_change_the_language_of_a_list() -> None:
    body = bytearray(CHINESE.encode())
    body[body.index("频道7号".encode())] = 0xFF
    names = [channel.name for channel in parse(decoded(bytes(body))).channels]
    assert names[8] == "频道8号"
    assert len(names) == 200
    assert parse(decoded(CHINESE.encode() + b"\xe4\xb8")).channels[0].name == "频道0号"


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "gb2312"])
def test_a_list_of_a_chinese_editor_keeps_its_names(encoding: str) -> None:
    body = CHINESE.encode(encoding)
    assert [channel.name for channel in parse(decoded(body)).channels][:2] == ["频道0号", "频道1号"]
    spoilt = body.replace("频道9号".encode(encoding), b"\xff\xff9")
    assert parse(decoded(spoilt)).channels[8].name == "频道8号"


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("2001:db8::1", "2001:0DB8:0::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("fe80::1", "fe80::1%25eth0"),
        ("直播.example", "xn--z6ut02b.example"),
        ("A.Example", "a.example."),
        ("*.直播.example", "x.xn--z6ut02b.example"),
        ("*.cdn.example", "a.b.CDN.example"),
    ],
)
def test_a_host_is_the_same_in_every_way_of_writing(listed: str, asked: str) -> None:
    assert LineUp(hosts=[listed]).allows(asked)


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("a.example", "x.a.example"),
        ("a.example", "a.example.evil.example"),
        ("*.a.example", "a.example"),
        ("*.a.example", "xa.example"),
        ("10.0.0.1", "10.0.0.11"),
        ("", "a.example"),
        ("a.example", ""),
    ],
)
def test_another_host_is_another_host(listed: str, asked: str) -> None:
    assert not LineUp(hosts=[listed]).allows(asked)


@pytest.mark.parametrize("host", ["[zzz]", "[1.2.3.4]", "[::1", "a:99999", "a:x"])
def test_a_host_that_cannot_be_is_counted_on_every_python(host: str) -> None:
    line_up = parse(f"{GOOD}#EXTINF:-1,A\nhttp://{host}/1\n")
    assert line_up.skipped[0].reason.startswith("address that is not well formed")
    assert len(line_up.channels) == 1


def test_a_thousand_channels_are_read_at_once() -> None:
    text = "#EXTM3U\n" + "".join(
        f'#EXTINF:-1 tvg-id="c{n}" tvg-chno="{n}" tvg-logo="http://l.example/{n}" group-title="g;K",频道{n}\n'
        f"http://a.example/{n}.m3u8\nrtp://239.1.{n // 250}.{n % 250 + 1}:5000\n"
        for n in range(1, 1001)
    )
    begun_s = time.process_time()
    line_up = parse(text)
    took_s = time.process_time() - begun_s
    assert len(line_up.channels) == 1_000
    assert took_s < 1.0  # measured 0.13 s; a machine of this class may be five times as busy
