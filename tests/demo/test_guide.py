import gzip
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from gateway.media.lineup_read import parse
from gateway.media.xmltv import GuideRow, XmltvReader
from headend.demo import guide, lineup
from headend.demo.channels import CHANNELS, DemoChannel

NOW = datetime(2026, 11, 21, 17, 30, tzinfo=UTC)
BASE = "http://127.0.0.1:8082"


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.id)
def test_every_channel_is_filled_seven_days_back_and_forward_without_gaps(channel: DemoChannel) -> None:
    listed = list(guide.programmes(channel, NOW.astimezone(guide.CHINA).date()))

    assert [p.stop for p in listed[:-1]] == [p.start for p in listed[1:]]
    assert listed[0].start <= NOW - timedelta(days=7)
    assert listed[-1].stop >= NOW + timedelta(days=7)
    assert {timedelta(minutes=20) <= p.stop - p.start <= timedelta(minutes=90) for p in listed} == {True}


def test_a_day_is_the_same_whoever_asks_and_whenever() -> None:
    today = NOW.date()
    tomorrows_view = set(guide.programmes(CHANNELS[0], today + timedelta(days=1)))
    todays_view = set(guide.programmes(CHANNELS[0], today))

    assert len(todays_view & tomorrows_view) > 0.9 * len(todays_view)


def test_the_guide_is_xmltv_about_the_channels_of_the_line_up() -> None:
    tree = ET.fromstring(gzip.decompress(guide.xmltv(CHANNELS, NOW, base=BASE)))  # noqa: S314 - ours

    ids = [element.get("id") for element in tree.findall("channel")]
    assert ids == [channel.id for channel in CHANNELS]
    for programme in tree.findall("programme"):
        start = datetime.strptime(programme.get("start", ""), "%Y%m%d%H%M%S %z")
        stop = datetime.strptime(programme.get("stop", ""), "%Y%m%d%H%M%S %z")
        assert start < stop
        assert programme.get("channel") in ids
        tags = [child.tag for child in programme]
        assert set(tags) >= {"title", "desc", "category"}
        order = ["title", "sub-title", "desc", "category", "episode-num", "previously-shown", "rating"]
        assert tags == sorted(tags, key=order.index)


def test_the_box_reads_ages_series_and_archives_out_of_guide_and_line_up() -> None:
    reader = XmltvReader()
    lines = gzip.decompress(guide.xmltv(CHANNELS, NOW, base=BASE)).splitlines(keepends=True)
    rows = [row for line in lines for row in reader.feed(line)]
    serial = [row for row in rows if isinstance(row, GuideRow) and row.title == "剧场：茶马人家"]
    past = {channel.tvg_id: channel.catchup for channel in parse(lineup.m3u(CHANNELS, base=BASE)).channels}

    assert {row.age for row in serial} == {16}
    assert len({row.subtitle for row in serial}) > 7
    kinds = {name: one.kind for name, one in past.items() if one}
    assert kinds == {
        "zonghe": "flussonic",
        "xinwen": "default",
        "nonglin": "append",
        "kejiao": "shift",
        "tiyu": "append",
    }
    assert {one.days for one in past.values() if one} == {7}


def test_the_box_reads_every_line_of_the_line_up() -> None:
    read = parse(lineup.m3u(CHANNELS, base=BASE))

    assert read.skipped == ()
    assert [(c.number, c.name, c.tvg_id) for c in read.channels] == [
        (c.number, c.name, c.id) for c in CHANNELS
    ]
    assert read.channels[11].resolution == "3840x2160"
