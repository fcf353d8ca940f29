import asyncio
from dataclasses import replace

import pytest
from aiohttp import web

from gateway.media.lineup import ChannelId
from gateway.media.relay_facts import Recovered, SourceChanged, SourceFailed
from gateway.media.relay_quality import MIN_JUDGED, Quality, Report
from tests.conftest import Serve
from tests.media.head_end import SEGMENT_S, HeadEnd, Regular, delayed, status
from tests.media.relay_fixtures import QUICK, bodies_until, relaying, until_listed

NEWS = ChannelId("news")
TWO = ["one/plain/index.m3u8", "two/plain/index.m3u8"]
PATIENT = replace(QUICK, min_segment_deadline_s=2.0)
"""Late is late, and nothing is given up for being so, however busy the machine."""
IN_TIME = Report(2.0, 0.4, 500_000)
TIGHT = Report(2.0, 1.8, 500_000)
LATE = Report(2.0, 2.5, 500_000)
FAILED = Report(2.0, 0.1, 0, failed=True)


@pytest.mark.parametrize(
    ("reports", "low", "high"),
    [
        ([], 1.0, 1.0),
        ([IN_TIME] * 8, 1.0, 1.0),
        ([TIGHT] * 8, 0.85, 0.95),
        ([IN_TIME] * 7 + [LATE], 0.8, 0.9),
        ([LATE] * 8, 0.0, 0.0),
        ([FAILED] * 8, 0.0, 0.0),
        ([IN_TIME] * 6 + [FAILED] * 6, 0.2, 0.3),
        ([LATE, IN_TIME] * 4, 0.4, 0.5),
        ([FAILED] * 12 + [IN_TIME] * 12, 1.0, 1.0),
    ],
    ids=[
        "unknown",
        "good",
        "tight",
        "once late",
        "always late",
        "dead",
        "half missing",
        "half late",
        "mended",
    ],
)
def test_a_source_is_worth_what_it_lately_delivered(reports: list[Report], low: float, high: float) -> None:
    quality = Quality()
    for report in reports:
        quality.add(report)

    assert low <= quality.score <= high
    assert quality.proven == (len(reports) >= MIN_JUDGED)


async def test_a_source_that_works_badly_is_left_for_a_better_one(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("one/plain/plain-", delayed(1.15 * SEGMENT_S))
    async with relaying(serve, head_end, PATIENT, news=TWO) as relay, asyncio.timeout(20):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            assert relay.state[NEWS].source == 0
            assert await anext(facts) == SourceFailed(NEWS, 0, "TV-215")
            assert await anext(facts) == Recovered(NEWS, 1)
            changed = await anext(facts)
            state = relay.state[NEWS]

    assert isinstance(changed, SourceChanged)
    assert (changed.before, changed.now, changed.code) == (0, 1, "TV-215")
    assert changed.score < QUICK.min_score
    assert (state.source, state.score) == (1, 1.0)


@pytest.mark.slow
async def test_two_bad_sources_are_not_changed_to_and_fro(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("one/plain/plain-", delayed(1.15 * SEGMENT_S))
    head_end.interfere("two/plain/plain-", delayed(1.15 * SEGMENT_S))
    async with relaying(serve, head_end, PATIENT, news=TWO) as relay, asyncio.timeout(25):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            for _ in range(3):
                await anext(facts)
            hearing = asyncio.ensure_future(anext(facts))
            await until_listed(relay, "news", 18)
            assert not hearing.done()
            hearing.cancel()
        assert relay.state[NEWS].source == 1


@pytest.mark.slow
async def test_the_only_source_is_never_left_for_its_quality(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("one/plain/plain-", delayed(1.15 * SEGMENT_S))
    async with relaying(serve, head_end, PATIENT, news=TWO[0]) as relay, asyncio.timeout(20):
        await bodies_until(relay, "news", 8)
        assert relay.state[NEWS].score < QUICK.min_score


@pytest.mark.slow
async def test_the_first_source_is_returned_to_when_it_is_shown_good(serve: Serve, head_end: HeadEnd) -> None:
    mended = False

    async def broken(_request: web.Request, regular: Regular) -> web.StreamResponse:
        return await regular() if mended else web.Response(status=503)

    head_end.interfere("one/", broken)
    head_end.dated = True
    config = replace(QUICK, probe_after_s=0.4)
    async with relaying(serve, head_end, config, news=TWO) as relay, asyncio.timeout(25):
        with relay.facts.subscribe() as facts:
            await relay.open(NEWS)
            assert [await anext(facts), await anext(facts)] == [
                SourceFailed(NEWS, 0, "TV-201"),
                Recovered(NEWS, 1),
            ]
            collecting = asyncio.ensure_future(bodies_until(relay, "news", 16))
            await head_end.broadcast(2)
            mended = True
            assert await anext(facts) == SourceChanged(NEWS, 1, 0, None, 1.0)
            bodies, breaks = await collecting
            assert relay.state[NEWS].source == 0

    first = next(at for at in range(90, 200) if head_end.media("plain", at) == bodies[0])
    assert bodies == [head_end.media("plain", first + at) for at in range(len(bodies))]
    assert sum(jump for at, jump in enumerate(breaks) if (first + at) % 40) == 1


async def test_a_probe_of_a_dead_source_disturbs_nobody(serve: Serve, head_end: HeadEnd) -> None:
    head_end.interfere("one/", status(404))
    config = replace(QUICK, probe_after_s=0.3)
    async with relaying(serve, head_end, config, news=TWO) as relay, asyncio.timeout(20):
        _, breaks = await bodies_until(relay, "news", 8)

    assert not any(breaks)
    assert 2 <= head_end.asked["one/plain/index.m3u8"] <= 6
