from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.media.lineup import ChannelId, LineUp
from gateway.media.zap import Budget, Cost, Hints, Predictor, afford
from gateway.media.zap_habit import MAX_PER_HOUR, HabitRow, Habits
from tests.media import key_logs
from tests.media.key_logs import MONDAY, Replay, line_up

THREE = Budget(bandwidth_bps=24_000_000, memory_bytes=24_000_000, channels=3)
ONE = Budget(bandwidth_bps=8_000_000, memory_bytes=8_000_000, channels=1)
CHANNELS = line_up()

channels = st.integers(1, 300).map(lambda number: ChannelId(f"c{number}"))
moments = st.integers(0, 365 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))
hints = st.builds(
    Hints, digits=st.text("0123456789", max_size=4), focus=st.none() | channels | st.just(ChannelId("gone"))
)
costs = st.dictionaries(
    channels, st.builds(Cost, st.integers(0, 40_000_000), st.integers(0, 200_000_000)), max_size=300
)
budgets = st.builds(
    Budget,
    bandwidth_bps=st.integers(0, 100_000_000),
    memory_bytes=st.integers(0, 500_000_000),
    channels=st.integers(0, 8),
)


@pytest.mark.parametrize(
    ("log", "budget", "at_least"),
    [
        (key_logs.SURFER, THREE, 0.95),
        (key_logs.SURFER, ONE, 0.8),
        (key_logs.FLIPPER_IN_ADVERTISEMENTS, THREE, 0.95),
        (key_logs.FLIPPER_IN_ADVERTISEMENTS, ONE, 0.9),
        (key_logs.NUMBER_TYPER, THREE, 0.95),
        (key_logs.GUIDE_READER, ONE, 0.95),
        (key_logs.NEWS_AT_SEVEN, THREE, 0.9),
    ],
    ids=[
        "a surfer, three channels",
        "a surfer, a thin line",
        "two channels in the advertisements",
        "the same on a thin line",
        "numbers",
        "from the guide on a thin line",
        "news at seven",
    ],
)
def test_the_next_channel_is_ready(log: str, budget: Budget, at_least: float) -> None:
    assert Replay(budget).play(log).share() >= at_least


def test_a_household_that_types_is_known_before_the_last_digit() -> None:
    replay = Replay(THREE).play(key_logs.NUMBER_TYPER)
    half = len(replay.early) // 2
    assert sum(replay.early[half:]) / half >= 0.6


def test_the_news_are_ready_before_anybody_touches_the_remote() -> None:
    """After some days; and at the weekend nothing is made of what working days are like."""
    learned = Replay(THREE).play(key_logs.NEWS_AT_SEVEN).habits
    predictor = Predictor(learned)
    predictor.moved(ChannelId("c11"))
    friday = MONDAY + timedelta(days=18, hours=18, minutes=55)
    assert ChannelId("c13") in predictor.ranking(CHANNELS, Hints(), friday)[:3]
    at_night = MONDAY + timedelta(days=18, hours=3)
    assert ChannelId("c13") not in predictor.ranking(CHANNELS, Hints(), at_night)


def test_who_walks_on_finds_the_next_two_in_that_direction() -> None:
    predictor = Predictor(Habits())
    for number in (8, 7, 6):
        predictor.moved(ChannelId(f"c{number}"))
    assert predictor.ranking(CHANNELS, Hints(), MONDAY)[:2] == ("c5", "c4")
    for number in (7, 8):
        predictor.moved(ChannelId(f"c{number}"))
    assert predictor.ranking(CHANNELS, Hints(), MONDAY)[:2] == ("c9", "c10")


def test_the_steps_go_round_the_ends() -> None:
    predictor = Predictor(Habits())
    for number in (299, 300):
        predictor.moved(ChannelId(f"c{number}"))
    assert predictor.ranking(CHANNELS, Hints(), MONDAY)[:2] == ("c1", "c2")


def test_digits_name_all_that_begin_so_and_the_habitual_first() -> None:
    habits = Habits()
    for _ in range(5):
        habits.watched(ChannelId("c27"), MONDAY)
    predictor = Predictor(habits)
    predictor.moved(ChannelId("c100"))
    ranking = predictor.ranking(CHANNELS, Hints(digits="2"), MONDAY)
    assert ranking[:2] == ("c27", "c2")
    assert all(channel.startswith("c2") for channel in ranking)


def test_where_the_focus_rests_goes_before_everything() -> None:
    predictor = Predictor(Habits())
    for number in (1, 2, 1):
        predictor.moved(ChannelId(f"c{number}"))
    assert predictor.ranking(CHANNELS, Hints(focus=ChannelId("c77")), MONDAY)[0] == "c77"


def test_a_channel_too_dear_leaves_room_for_the_next() -> None:
    prices = {"a": Cost(20_000_000, 1), "b": Cost(9_000_000, 1), "c": Cost(1_000_000, 1)}
    plan = afford([ChannelId("a"), ChannelId("b"), ChannelId("c")], lambda each: prices[each], ONE)
    assert plan.warm == ("c",)
    assert plan.prepare == "c"


@given(st.lists(channels, max_size=20), hints, moments, costs, budgets)
def test_a_guess_never_costs_more_than_its_budget(
    path: list[ChannelId], now: Hints, at: datetime, prices: dict[ChannelId, Cost], budget: Budget
) -> None:
    def price(channel: ChannelId) -> Cost:
        return prices.get(channel, Cost(8_000_000, 8_000_000))

    predictor, again = Predictor(Habits()), Predictor(Habits())
    for channel in path:
        predictor.moved(channel)
        again.moved(channel)
    ranking = predictor.ranking(CHANNELS, now, at)
    plan = afford(ranking, price, budget)
    assert ranking == again.ranking(CHANNELS, now, at)
    assert len(set(plan.warm)) == len(plan.warm) <= budget.channels
    assert sum(price(each).bandwidth_bps for each in plan.warm) <= budget.bandwidth_bps
    assert sum(price(each).memory_bytes for each in plan.warm) <= budget.memory_bytes
    assert not path or path[-1] not in ranking
    assert all(CHANNELS.by_id(each) is not None for each in ranking)


def test_without_a_line_up_there_is_nothing_to_guess() -> None:
    predictor = Predictor(Habits())
    predictor.moved(ChannelId("c1"))
    assert predictor.ranking(LineUp(), Hints(digits="1", focus=ChannelId("c2")), MONDAY) == ()


@given(st.lists(st.tuples(channels, moments), max_size=60))
def test_habits_stay_few_and_come_back_as_they_were(watched: list[tuple[ChannelId, datetime]]) -> None:
    habits = Habits()
    for channel, at in watched:
        habits.watched(channel, at)
        assert channel in habits.likely(at)
        assert all(0 < share < 1 for share in habits.likely(at).values())
    assert len(habits.rows) <= 48 * MAX_PER_HOUR
    assert Habits(habits.rows).rows == habits.rows


def test_an_old_habit_gives_way() -> None:
    habits = Habits([HabitRow(19, ChannelId("c1"), 5.0, MONDAY.toordinal() - 70)])
    habits.watched(ChannelId("c2"), MONDAY + timedelta(hours=19))
    shares = habits.likely(MONDAY + timedelta(hours=19))
    assert shares[ChannelId("c2")] > shares[ChannelId("c1")]
