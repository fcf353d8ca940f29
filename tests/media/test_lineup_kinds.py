"""What other players' readers make of a list, this one does too; the lists here are our own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.lineup import Catchup, Channel, LineUp
from gateway.media.lineup_read import parse

# One channel of each kind that the README of Kodi's pvr.iptvsimple explains, in its order.
EVERY_KIND = """\
#EXTM3U tvg-shift="-2" x-tvg-url="https://guide.example/week.xml.gz catchup-correction="-1.5"
#EXTINF:0 tvg-ID="first.example" group-title="General" ch-number="10" radio="TRUE" tvg-shift="1",First
#EXTVLCOPT:program=12
#KODIPROP:inputstream=inputstream.adaptive
http://live.example/first.ts
#EXTINF:0 group-title="General;Sharp",First Sharp
http://live.example/first-sharp.ts
#EXTINF:0 tvg-id="yellow.example",Yellow
#EXTGRP:Colours
http://live.example/yellow.ts
#EXTINF:0,Zebra
http://live.example/zebra.ts
#EXTINF:0 catchup="default",A
http://live.example/a.ts
#EXTINF:0 catchup="default" catchup-source="http://past.example/b?{Y}-{m}-{d}T{H}:{M}:{S}" catchup-days="3",B
http://live.example/b.ts
#EXTINF:0 catchup="append" catchup-source="&at={Y}{m}{d}" catchup-days="4" catchup-correction="-4.0",C
http://live.example/c.ts?x=1
#EXTINF:0 catchup="shift" catchup-days="5",D
http://live.example/d.ts
#EXTINF:0 timeshift="6",E
http://live.example/e.ts
#EXTINF:0 tvg-rec="7",F
http://live.example/f.ts
#EXTINF:-1 catchup="fs",G
http://live.example/7/mono.m3u8?token=secret
#EXTINF:-1 catchup="flussonic-ts" catchup-days="2",G2
http://live.example/8/mpegts
#EXTINF:-1 catchup="xc",H
http://live.example/me@here/secret/1477
#EXTINF:-1 catchup="vod" catchup-source="http://past.example/j-{utc}.ts" catchup-days="3",J
http://live.example/j.ts
#EXTINF:-1 catchup="vod",K
http://live.example/k.ts
#EXTINF:-1,L
#EXT-X-PLAYLIST-TYPE:VOD
http://live.example/l.mkv
#EXTINF:-1 media="true" media-size="1024",M
http://live.example/m.mkv
"""
EARLY_S = -5400


def named(line_up: LineUp) -> dict[str, Channel]:
    return {channel.name: channel for channel in line_up.channels}


def only(lines: str) -> Channel:
    return parse(f"#EXTM3U\n{lines}\n").channels[0]


def test_a_list_of_every_kind_is_read_as_its_owner_means_it() -> None:
    line_up = parse(EVERY_KIND)
    channels = named(line_up)
    assert line_up.skipped == ()
    assert line_up.guide_urls == ("https://guide.example/week.xml.gz",)
    assert len(channels) == 17
    first = channels["First"]
    assert (first.number, first.tvg_id, first.radio, first.guide_shift_s) == (10, "first.example", True, 3600)
    assert channels["First Sharp"].groups == ("General", "Sharp")
    assert channels["First Sharp"].guide_shift_s == -7200


def test_a_group_that_was_announced_counts_until_it_is_ended() -> None:
    channels = named(parse(EVERY_KIND))
    assert channels["Yellow"].group == channels["Zebra"].group == channels["M"].group == "Colours"

    line_up = parse(
        "#EXTM3U\n#EXTGRP:News\n#EXTINF:-1,A\nhttp://a.example/1\n#EXTGRP:Sport\n#EXTINF:-1,B\nhttp://a.example/2\n"
        '#EXTINF:-1 group-title="Film",C\nhttp://a.example/3\n#EXTINF:-1,D\nhttp://a.example/4\n'
        "#EXTGRP:Child\n#EXTINF:-1,E\nhttp://a.example/5\n#EXTGRP:\n#EXTINF:-1,F\nhttp://a.example/6\n"
    )
    assert [channel.group for channel in line_up.channels] == ["News", "Sport", "Film", "", "Child", ""]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("First", None),
        ("A", None),  # says that there is a past, but not where
        (
            "B",
            Catchup(
                kind="default",
                source="http://past.example/b?{Y}-{m}-{d}T{H}:{M}:{S}",
                days=3,
                correction_s=EARLY_S,
            ),
        ),
        ("C", Catchup(kind="append", source="&at={Y}{m}{d}", days=4, correction_s=-4 * 3600)),
        ("D", Catchup(kind="shift", days=5, correction_s=EARLY_S)),
        ("E", Catchup(kind="shift", days=6, correction_s=EARLY_S)),
        ("F", Catchup(kind="shift", days=7, correction_s=EARLY_S)),
        ("G", Catchup(kind="flussonic", correction_s=EARLY_S)),
        ("G2", Catchup(kind="flussonic-ts", days=2, correction_s=EARLY_S)),
        ("H", Catchup(kind="xc", correction_s=EARLY_S)),
        ("J", Catchup(kind="vod", source="http://past.example/j-{utc}.ts", days=3, correction_s=EARLY_S)),
        ("K", Catchup(kind="vod", correction_s=EARLY_S)),
    ],
)
def test_every_kind_of_past_is_kept_as_it_was_written(name: str, expected: Catchup | None) -> None:
    assert named(parse(EVERY_KIND))[name].catchup == expected


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ('catchup="Append" catchup-source="?x={utc}"', "append"),
        ('catchup="something" catchup-source="?x={utc}"', "append"),
        ('catchup="something" catchup-source="http://past.example/{utc}"', "default"),
        ('catchup-source="?next=http://past.example/{utc}"', "append"),
    ],
)
def test_where_to_ask_says_how_to_ask(attributes: str, kind: str) -> None:
    found = only(f"#EXTINF:-1 {attributes},A\nhttp://a.example/1").catchup
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("#EXTINF:-1,A\n#EXTVLCOPT:http-user-agent=Box/1", {"User-Agent": "Box/1"}),
        ("#EXTINF:-1,A\n#EXTVLCOPT--http-referrer=http://r.example/", {"Referer": "http://r.example/"}),
        ("#EXTINF:-1,A\n#EXTVLCOPT:network-caching=1000", {}),
        (
            "#EXTINF:-1,A\n#KODIPROP:inputstream.adaptive.stream_headers=User-Agent=Box%2F1&X-Key=7",
            {"User-Agent": "Box/1", "X-Key": "7"},
        ),
        ("#EXTINF:-1,A\n#KODIPROP:inputstream.adaptive.license_type=none", {}),
        ('#EXTINF:-1,A\n#EXTHTTP:{"User-Agent": "Box/1", "n": 3}', {"User-Agent": "Box/1"}),
        ("#EXTINF:-1,A\n#EXTHTTP:{", {}),
        ('#EXTINF:-1 http-user-agent="Box/1" http-referrer="r",A', {"User-Agent": "Box/1", "Referer": "r"}),
    ],
    ids=["VLC", "VLC with dashes", "VLC other", "Kodi", "Kodi other", "JSON", "broken JSON", "attributes"],
)
def test_headers_are_said_in_many_ways(lines: str, expected: dict[str, str]) -> None:
    assert only(f"{lines}\nhttp://a.example/1").sources[0].headers == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("user-agent=Box/1", {"User-Agent": "Box/1"}),
        ("!X-Key=7&Cookie=a%3Db", {"X-Key": "7", "Cookie": "a=b"}),
        ("X-Key=a%0d%0aHost:%20evil", {}),
        ("Host=evil.example&Range=bytes%3D0-1", {}),
        ("Bad Name=1", {}),
    ],
    ids=["user agent", "others", "smuggled line", "the box's own", "no name"],
)
def test_only_headers_that_can_be_sent_go_with_an_address(options: str, expected: dict[str, str]) -> None:
    assert only(f"#EXTINF:-1,A\nhttp://a.example/1|{options}").sources[0].headers == expected


@pytest.mark.parametrize(
    "line",
    [
        '#EXTINF:-1,tvg-id="a1" group-title="G",A one',
        '#EXTINF:-1, tvg-id="a1", group-title="G" ,A one',
        "#EXTINF:-1 tvg-id='a1' group-title='G', A one",
        '#EXTINF:-1 tvg-id="a1 group-title="G",A one',
        "#EXTINF:-1 tvg-id=a1 group-title=G,A one",
        '#EXTINF: tvg-id="a1" group-title="G",A one',
        '#extinf:-1.0 TVG-ID="a1" group-title="G",A one',
    ],
)
def test_attributes_stand_apart_in_many_ways(line: str) -> None:
    channel = only(f"{line}\nhttp://a.example/1")
    assert (channel.name, channel.tvg_id, channel.group) == ("A one", "a1", "G")


@pytest.mark.parametrize("name", ["A=B", 'Say "yes"', "A, B & C", "4K | HD", "#1"])
def test_names_may_hold_nearly_anything(name: str) -> None:
    assert only(f'#EXTINF:-1 tvg-id="x",{name}\nhttp://a.example/1').name == name


@pytest.mark.parametrize(
    ("line", "resolution", "height"),
    [
        ('resolution="3840x2160",A', "3840x2160", 2160),
        ('tvg-resolution="2160p50",A', "2160p50", 2160),
        ('resolution="4K",A', "4K", 2160),
        ("group-title=x,Beijing 4K", "2160p", 2160),
        ("group-title=x,CCTV-8K", "4320p", 4320),
        ("group-title=x,News (1080p)", "1080p", 1080),
        ("group-title=x,Old (576i) [Not 24/7]", "576i", 576),
        ('resolution="sharp",A', "sharp", 0),
        ("group-title=x,Channel 1080", None, 0),
        ("group-title=x,24Kitchen", None, 0),
    ],
)
def test_how_sharp_a_channel_is_can_be_said_or_guessed(
    line: str, resolution: str | None, height: int
) -> None:
    channel = only(f"#EXTINF:-1 {line}\nhttp://a.example/1")
    assert (channel.resolution, channel.height) == (resolution, height)


@given(st.text('=", \tab-', max_size=300))
def test_a_line_of_nothing_but_marks_is_read_in_no_time(marks: str) -> None:
    line_up = parse(f"#EXTM3U\n#EXTINF:-1,Good\nhttp://a.example/g\n#EXTINF:-1 {marks}\nhttp://a.example/1\n")
    assert line_up.channels[0].name == "Good"
