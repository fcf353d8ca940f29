"""One playlist of each kind that origins send, and what must be understood of it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from gateway.media.hls import (
    ByteRange,
    EncryptedError,
    InitSection,
    Key,
    MasterPlaylist,
    MediaPlaylist,
    PlaylistError,
    dated,
    parse,
)

AT = "http://origin.example/ch/list.m3u8?token=t1"
CH = "http://origin.example/ch/"
T4 = "#EXT-X-TARGETDURATION:4\n"


def media(text: str) -> MediaPlaylist:
    """Return the media playlist in `text`."""
    found = parse("#EXTM3U\n" + text, AT)
    assert isinstance(found, MediaPlaylist)
    return found


def master(text: str) -> MasterPlaylist:
    """Return the master playlist in `text`."""
    found = parse("#EXTM3U\n" + text, AT)
    assert isinstance(found, MasterPlaylist)
    return found


@dataclass(frozen=True)
class Expected:
    """What a media playlist comes to."""

    count: int
    target_s: float
    sequence: int = 0
    discontinuity_sequence: int = 0
    ended: bool = False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (T4 + "#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:4,\na.ts\n#EXTINF:3.5,\nb.ts\n", Expected(2, 4.0, 7)),
        (T4 + "#EXTINF:4,\na.ts\n#EXT-X-ENDLIST\n", Expected(1, 4.0, ended=True)),
        ("#EXT-X-TARGETDURATION:7200\n#EXTINF:7200,\nfilm.ts\n", Expected(1, 7200.0)),
        (T4 + "#EXT-X-MEDIA-SEQUENCE:-12\n#EXTINF:4,\na.ts\n", Expected(1, 4.0, -12)),
        (T4 + "#EXTINF:4,\na.ts\nrubbish\n#EXT-X-ENDLIST\n", Expected(1, 4.0, ended=True)),
        (T4 + "a.ts\nb.ts\n", Expected(2, 4.0)),
        ("#EXTINF:4,\na.ts\n#EXTINF:5,\nb.ts\n", Expected(2, 5.0)),
        (T4 + "#EXT-X-MEDIA-SEQUENCE:9\n", Expected(0, 4.0, 9)),
        (T4 + "#EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXTINF:4,\na.ts\n", Expected(1, 4.0, 0, 3)),
        (T4 + "#EXTINF:4,News, at ten\na.ts\n", Expected(1, 4.0)),
        (T4 + "#EXTINF:4\na.ts\n", Expected(1, 4.0)),
        (T4 + "# a remark\n##\n#EXT-NEW:x=1\n#EXTINF:4,\na.ts\n", Expected(1, 4.0)),
        (T4 + '#EXT-X-PART:DURATION=1,URI="p.ts"\n#EXTINF:4,\na.ts\n', Expected(1, 4.0)),
        (T4 + "#EXT-X-CUE-OUT:30\n#EXTINF:4,\na.ts\n#EXT-X-CUE-IN\n", Expected(1, 4.0)),
    ],
    ids=[
        "live", "ended", "a whole film", "counts below zero", "rubbish", "no durations", "no target", "empty",
        "discontinuity sequence", "comma in a title", "no comma", "remarks", "low latency parts",
        "advertising marks",
    ],
)  # fmt: skip
def test_a_media_playlist_is_counted_right(text: str, expected: Expected) -> None:
    found = media(text)
    seen = Expected(
        len(found.segments), found.target_s, found.sequence, found.discontinuity_sequence, found.ended
    )
    assert seen == expected


def test_addresses_are_made_whole() -> None:
    names = ["a.ts", "../b.ts?x=1", "/c.ts", "//other.example/d.ts", "https://e.example/e.ts"]
    found = media("".join(f"#EXTINF:4,\n{name}\n" for name in names))

    assert [segment.uri for segment in found.segments] == [
        CH + "a.ts",
        "http://origin.example/b.ts?x=1",
        "http://origin.example/c.ts",
        "http://other.example/d.ts",
        "https://e.example/e.ts",
    ]


def test_byte_ranges_follow_one_another() -> None:
    found = media(
        "#EXTINF:4,\n#EXT-X-BYTERANGE:100@50\nall.ts\n#EXTINF:4,\n#EXT-X-BYTERANGE: 200\nall.ts\n"
        "#EXTINF:4,\n#EXT-X-BYTERANGE:10@1000\nall.ts\n#EXTINF:4,\nwhole.ts\n"
    )
    ranges = [segment.byte_range for segment in found.segments]
    assert ranges == [ByteRange(50, 100), ByteRange(150, 200), ByteRange(1000, 10), None]


def test_keys_hold_until_the_next_one() -> None:
    found = media(
        "#EXTINF:4,\nclear.ts\n"
        '#EXT-X-KEY:METHOD=AES-128,URI="k1",IV=0x0000000000000000000000000000002A\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="k2",KEYFORMAT="identity",KEYFORMATVERSIONS="1"\n#EXTINF:4,\nc.ts\n'
        "#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\nd.ts\n"
    )
    first = Key(CH + "k1", (42).to_bytes(16))
    assert [segment.key for segment in found.segments] == [None, first, first, Key(CH + "k2", None), None]


@pytest.mark.parametrize(
    "key",
    [
        'METHOD=SAMPLE-AES,URI="k"', 'METHOD=SAMPLE-AES-CTR,URI="k"', 'METHOD=AES-256,URI="k"',
        "METHOD=AES-128",
        'METHOD=AES-128,URI="skd://a",KEYFORMAT="com.apple.streamingkeydelivery"', 'METHOD=TOMORROW,URI="k"',
    ],
)  # fmt: skip
def test_a_protection_we_have_no_key_system_for_is_refused(key: str) -> None:
    with pytest.raises(EncryptedError):
        media(f"#EXT-X-KEY:{key}\n#EXTINF:4,\na.ts\n")


def test_init_sections_hold_until_the_next_one_and_may_be_parts() -> None:
    found = media(
        '#EXT-X-MAP:URI="all.mp4",BYTERANGE="800@0"\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n'
        '#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI="ad.mp4"#EXTINF:4,\n3.m4s\n'
    )
    first = InitSection(CH + "all.mp4", ByteRange(0, 800))
    assert [segment.init for segment in found.segments] == [first, first, InitSection(CH + "ad.mp4")]
    assert [segment.discontinuity for segment in found.segments] == [False, False, True]


def test_gaps_belong_to_one_segment() -> None:
    found = media("#EXTINF:4,\na.ts\n#EXT-X-GAP\n#EXTINF:4,\nb.ts\n#EXTINF:4,\nc.ts\n")
    assert [segment.gap for segment in found.segments] == [False, True, False]


@pytest.mark.parametrize(
    ("said", "moment"),
    [
        ("2026-03-01T08:00:00Z", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T16:00:00.000+08:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T16:00:00+0800", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("2026-03-01T08:00:00", datetime(2026, 3, 1, 8, tzinfo=UTC)),
        ("yesterday", None),
    ],
)
def test_dates_are_read_in_every_spelling(said: str, moment: datetime | None) -> None:
    found = media(f"#EXT-X-PROGRAM-DATE-TIME:{said}\n#EXTINF:4,\na.ts\n")
    assert found.segments[0].program_date == moment


def test_one_date_dates_the_whole_list() -> None:
    found = dated(
        media(
            "#EXTINF:4,\na.ts\n#EXT-X-PROGRAM-DATE-TIME:2026-03-01T08:00:10Z\n#EXTINF:2,\nb.ts\n#EXTINF:4,\nc.ts\n"
        )
    )
    seconds = [segment.program_date and segment.program_date.second for segment in found.segments]
    assert seconds == [6, 10, 12]


def test_variables_are_filled_in() -> None:
    found = media(
        '#EXT-X-DEFINE:NAME="way",VALUE="cdn/1"\n#EXT-X-DEFINE:QUERYPARAM="token"\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="{$way}/k"\n#EXTINF:4,\n{$way}/a.ts?t={$token}&u={$unknown}\n'
    )
    assert found.segments[0].uri == CH + "cdn/1/a.ts?t=t1&u={$unknown}"
    assert found.segments[0].key == Key(CH + "cdn/1/k", None)


def test_variants_and_renditions_of_every_kind() -> None:
    found = master(
        "#EXT-X-INDEPENDENT-SEGMENTS\n"
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="国语",LANGUAGE="zh",DEFAULT=YES,CHANNELS="2",URI="zh.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="inside",LANGUAGE="en"\n'
        '#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="sub",NAME="forced, yes",FORCED=YES,URI="s.m3u8"\n'
        '#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID="cc",NAME="cc",INSTREAM-ID="CC1"\n'
        '#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,URI="iframes.m3u8"\n'
        '#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"\n'
        "#EXT-X-STREAM-INF:BANDWIDTH=5000000,AVERAGE-BANDWIDTH=4000000,RESOLUTION=1920x1080,FRAME-RATE=50.000,"
        'CODECS="avc1.640028,mp4a.40.2",AUDIO="aac",SUBTITLES="sub",CLOSED-CAPTIONS=NONE\nhd.m3u8\n'
        '#EXT-X-STREAM-INF:PROGRAM-ID=1, BANDWIDTH=64000 , CODECS="mp4a.40.5"\n\n# a remark\nradio.m3u8\n'
    )
    hd, radio = found.variants
    assert (hd.uri, hd.bandwidth_bps, hd.width, hd.height) == (CH + "hd.m3u8", 5_000_000, 1920, 1080)
    assert (hd.frame_rate, hd.codecs, hd.audio, hd.subtitles) == (
        50.0,
        ("avc1.640028", "mp4a.40.2"),
        "aac",
        "sub",
    )
    assert (radio.uri, radio.bandwidth_bps, radio.has_video) == (CH + "radio.m3u8", 64_000, False)
    assert [(r.kind, r.name, r.uri, r.default, r.forced) for r in found.renditions] == [
        ("AUDIO", "国语", CH + "zh.m3u8", True, False),
        ("AUDIO", "inside", None, False, False),
        ("SUBTITLES", "forced, yes", CH + "s.m3u8", False, True),
        ("CLOSED-CAPTIONS", "cc", None, False, False),
    ]


@pytest.mark.parametrize(
    "text", ["", "\n \n", "<html></html>", "not found", "#EXTM3U", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n"]
)
def test_what_is_no_playlist_is_refused(text: str) -> None:
    with pytest.raises(PlaylistError):
        parse(text, AT)
