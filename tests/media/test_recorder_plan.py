from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.lineup import ChannelId
from gateway.media.recorder_plan import Limits, Rank, Showing, Slot, Wish, plan

EIGHT = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PADDED = Limits(at_once=1, before=1 * MINUTE, after=3 * MINUTE)
TWO = Limits(at_once=2, before=timedelta(0), after=timedelta(0))


def showing(begin: int, end: int, channel: str = "news") -> Showing:
    return Showing(ChannelId(channel), EIGHT + begin * MINUTE, EIGHT + end * MINUTE)


def wish(name: str, *showings: Showing, rank: Rank = Rank.SINGLE) -> Wish:
    return Wish(name, rank, showings)


def names(found: dict[str, Slot | None]) -> dict[str, bool]:
    return {name: slot is not None for name, slot in found.items()}


def test_a_programme_alone_gets_its_padding() -> None:
    found = plan([wish("a", showing(0, 30))], PADDED)
    assert found == {"a": Slot(showing(0, 30), EIGHT - MINUTE, EIGHT + 33 * MINUTE)}


def test_neighbours_share_the_time_between_them_and_nobody_is_pushed_out() -> None:
    found = plan([wish("a", showing(0, 30)), wish("b", showing(30, 60)), wish("c", showing(62, 90))], PADDED)
    assert found["a"] == Slot(showing(0, 30), EIGHT - MINUTE, EIGHT + 30 * MINUTE)
    assert found["b"] == Slot(showing(30, 60), EIGHT + 30 * MINUTE, EIGHT + 62 * MINUTE)
    assert found["c"] == Slot(showing(62, 90), EIGHT + 62 * MINUTE, EIGHT + 93 * MINUTE)


@pytest.mark.parametrize(
    ("wishes", "expected"),
    [
        ([wish("a", showing(0, 30)), wish("b", showing(10, 40))], {"a": True, "b": True}),
        (
            [wish("a", showing(0, 30)), wish("b", showing(10, 40)), wish("c", showing(20, 50))],
            {"a": True, "b": True, "c": False},
        ),
        (
            [
                wish("serial", showing(0, 30), rank=Rank.SERIES),
                wish("b", showing(10, 40)),
                wish("c", showing(20, 50)),
            ],
            {"serial": False, "b": True, "c": True},
        ),
        (
            [
                wish("runs", showing(20, 60), rank=Rank.RUNNING),
                wish("b", showing(10, 40)),
                wish("c", showing(15, 50)),
            ],
            {"runs": True, "b": True, "c": False},
        ),
        (
            [wish("a", showing(0, 30)), wish("b", showing(0, 60)), wish("c", showing(30, 60))],
            {"a": True, "b": True, "c": True},
        ),
    ],
    ids=["two fit", "the later one loses", "a series gives way", "what runs stays", "one after the other"],
)
def test_who_records_when_not_all_fit(wishes: list[Wish], expected: dict[str, bool]) -> None:
    assert names(dict(plan(wishes, TWO))) == expected


def test_a_later_repeat_is_taken_when_the_first_showing_does_not_fit() -> None:
    one = Limits(at_once=1, before=timedelta(0), after=timedelta(0))
    repeat = showing(200, 230, "sport")
    found = plan(
        [wish("film", showing(0, 90)), wish("serial", showing(30, 60), repeat, rank=Rank.SERIES)], one
    )
    assert found["serial"] == Slot(repeat, repeat.start, repeat.stop)


SHOWINGS = st.builds(
    lambda begin, length: showing(begin, begin + length), st.integers(0, 120), st.integers(1, 60)
)


@given(
    st.lists(st.tuples(SHOWINGS, st.sampled_from([Rank.SINGLE, Rank.SERIES])), max_size=12),
    st.integers(1, 3),
)
def test_never_more_at_once_than_the_box_can(wanted: list[tuple[Showing, Rank]], at_once: int) -> None:
    limits = Limits(at_once, 2 * MINUTE, 5 * MINUTE)
    wishes = [Wish(str(number), rank, [each]) for number, (each, rank) in enumerate(wanted)]
    slots = [slot for slot in plan(wishes, limits).values() if slot is not None]
    for slot in slots:
        assert slot.begin <= slot.showing.start < slot.showing.stop <= slot.end
        assert sum(other.begin <= slot.begin < other.end for other in slots) <= at_once
