from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.media.catchup import NoCatchupError, Stretch, address
from gateway.media.lineup import Catchup

CHINA = timezone(timedelta(hours=8))
EVENING = Stretch(
    start=datetime(2026, 3, 1, 11, 0, tzinfo=UTC),
    stop=datetime(2026, 3, 1, 11, 30, tzinfo=UTC),
    now=datetime(2026, 3, 1, 13, 0, tzinfo=UTC),
)
START, STOP, NOW = (int(each.timestamp()) for each in (EVENING.start, EVENING.stop, EVENING.now))
HLS = "http://iptv.example:8080/tv/news/index.m3u8?token=t"


def made(live: str, kind: str, source: str = "", days: int = 7, **more: int) -> str:
    return address(live, Catchup(kind=kind, source=source, days=days, **more), EVENING, CHINA)


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("default", "http://vod.example/{utc}-{duration}.m3u8", f"http://vod.example/{START}-1800.m3u8"),
        ("default", "?begin=${start}&end=${end}", f"{HLS}&begin={START}&end={STOP}"),
        (
            "append",
            "?playseek=${(b)yyyyMMddHHmmss}-${(e)yyyyMMddHHmmss}",
            f"{HLS}&playseek=20260301190000-20260301193000",
        ),
        ("append", "&t={Y}-{m}-{d}T{H}:{M}:{S}", f"{HLS}&t=2026-03-01T19:00:00"),
        ("append", "&s={utc:YmdHM}&e=${end:Y/m/d H-M}", f"{HLS}&s=202603011900&e=2026/03/01 19-30"),
        ("append", "&now={lutc}&n=${now}&t=${timestamp}", f"{HLS}&now={NOW}&n={NOW}&t={NOW}"),
        ("append", "&m={duration:60}&back={offset:3600}", f"{HLS}&m=30&back=2"),
        ("append", "&x={offset:0}", f"{HLS}&x=7200"),
        ("append", "&b=${(b)timestamp}&u=${(b)yyyyMMddHHmmss:utc}", f"{HLS}&b={START}&u=20260301110000"),
        ("append", "&keep={curly}", HLS + "&keep={curly}"),
        ("shift", "", f"{HLS}&utc={START}&lutc={NOW}"),
        ("flussonic", "", f"http://iptv.example:8080/tv/news/index-{START}-1800.m3u8?token=t"),
        ("fs", "", f"http://iptv.example:8080/tv/news/index-{START}-1800.m3u8?token=t"),
        ("flussonic-ts", "", f"http://iptv.example:8080/tv/news/timeshift_abs-{START}.ts?token=t"),
    ],
)
def test_an_address_is_made_of_what_the_line_up_says(kind: str, source: str, expected: str) -> None:
    assert made(HLS, kind, source) == expected


@pytest.mark.parametrize(
    ("live", "kind", "expected"),
    [
        ("http://a.example/n.m3u8", "shift", f"http://a.example/n.m3u8?utc={START}&lutc={NOW}"),
        ("http://a.example/7/mono.m3u8", "fs", f"http://a.example/7/mono-{START}-1800.m3u8"),
        ("http://a.example/7/mpegts?k=v", "fs", f"http://a.example/7/timeshift_abs-{START}.ts?k=v"),
        ("http://a.example/7/live?k=v", "fs", f"http://a.example/7/{START}.ts?k=v"),
        (
            "http://a.example/live/me@x/secret/1477.m3u8",
            "xc",
            "http://a.example/timeshift/me@x/secret/30/2026-03-01:19-00/1477.m3u8",
        ),
        ("http://a.example/me/pw/9", "xc", "http://a.example/timeshift/me/pw/30/2026-03-01:19-00/9.ts"),
    ],
)
def test_servers_with_a_habit_need_no_template(live: str, kind: str, expected: str) -> None:
    assert made(live, kind) == expected


def test_the_guide_names_a_recording() -> None:
    named = Stretch(
        start=EVENING.start, stop=EVENING.stop, now=EVENING.now, programme="http://vod.example/77"
    )
    assert address(HLS, Catchup(kind="vod"), named) == "http://vod.example/77"
    with pytest.raises(NoCatchupError, match="does not name"):
        made(HLS, "vod")


def test_an_operators_clock_may_be_corrected() -> None:
    assert made(HLS, "append", "&b={utc}", correction_s=-3600) == f"{HLS}&b={START - 3600}"


@pytest.mark.parametrize(
    ("stretch", "why"),
    [
        (Stretch(start=EVENING.now, stop=EVENING.now, now=EVENING.now), "not been broadcast"),
        (
            Stretch(start=EVENING.now - timedelta(days=8), stop=EVENING.now, now=EVENING.now),
            "keeps 7 days",
        ),
    ],
)
def test_what_is_not_there_is_refused(stretch: Stretch, why: str) -> None:
    with pytest.raises(NoCatchupError, match=why):
        address(HLS, Catchup(kind="append", source="&b={utc}", days=7), stretch)


@pytest.mark.parametrize(
    ("live", "kind", "source"),
    [
        (HLS, "append", ""),
        (HLS, "plugin", ""),
        ("http://a.example/only", "xc", ""),
        ("udp://239.0.0.1:5000", "append", "&b={utc}"),
        (HLS, "default", "plugin://video/{utc}"),
    ],
)
def test_a_form_that_makes_no_address_is_refused(live: str, kind: str, source: str) -> None:
    with pytest.raises(NoCatchupError):
        made(live, kind, source)
