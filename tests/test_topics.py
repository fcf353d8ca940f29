from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.mqtt import Message
from gateway.topics import Routes, TopicSubscription, is_topic, topic_matches


@dataclass(frozen=True, order=True)
class Ear:
    """A listener, known by its number."""

    number: int
    qos: int = 1


EAR = st.builds(Ear, st.integers(0, 3))
LEVEL = st.text("ab", max_size=2)
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join)
FILTER = st.tuples(st.lists(LEVEL | st.just("+"), min_size=1, max_size=4), st.sampled_from(["", "/#"])).map(
    lambda parts: "/".join(parts[0]) + parts[1]
)


@pytest.mark.parametrize(
    ("pattern", "topic", "covered"),
    [
        ("home/lamp", "home/lamp", True),
        ("home/lamp", "home/lamp/set", False),
        ("home/+", "home/lamp", True),
        ("home/+", "home", False),
        ("home/+", "home/", True),
        ("home/#", "home", True),
        ("home/#", "home/a/b", True),
        ("#", "home/a", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("+/+", "a/b/c", False),
    ],
)
def test_a_filter_covers_what_the_standard_says(pattern: str, topic: str, covered: bool) -> None:
    assert topic_matches(pattern, topic) is covered


@pytest.mark.parametrize("text", ["", "a/+", "a/#", "a\0b", "x" * 65_536, "a\nb"])
def test_what_cannot_be_published_on_is_no_topic(text: str) -> None:
    assert not is_topic(text)


@given(st.lists(st.tuples(FILTER | TOPIC, EAR), max_size=12), TOPIC)
def test_routing_finds_exactly_the_listeners_whose_filters_cover_the_topic(
    wishes: list[tuple[str, Ear]], topic: str
) -> None:
    routes: Routes[Ear] = Routes()
    for pattern, listener in wishes:
        routes.add(pattern, listener)

    found = routes.to(topic)

    assert sorted(found) == sorted(
        {listener for pattern, listener in wishes if topic_matches(pattern, topic)}
    )


@given(st.lists(st.tuples(FILTER | TOPIC, EAR), max_size=12))
def test_nothing_is_left_of_a_listener_that_went(wishes: list[tuple[str, Ear]]) -> None:
    routes: Routes[Ear] = Routes()
    for pattern, listener in wishes:
        routes.add(pattern, listener)

    for pattern in routes.filters_of(Ear(0)):
        others = {listener for each, listener in wishes if each == pattern} - {Ear(0)}
        assert routes.remove(pattern, Ear(0)) is bool(others)

    assert routes.filters_of(Ear(0)) == []
    assert set(routes.filters()) == {pattern for pattern, listener in wishes if listener != Ear(0)}


def test_the_most_demanding_listener_decides_how_a_filter_is_served() -> None:
    routes: Routes[Ear] = Routes()
    routes.add("a/#", Ear(1, qos=0))
    assert (routes.qos("a/#"), routes.qos("b")) == (0, 0)
    routes.add("a/#", Ear(2, qos=1))
    assert routes.qos("a/#") == 1


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 20))
async def test_topics_take_turns_and_each_keeps_its_order_and_its_newest(
    said: list[str], backlog: int
) -> None:
    heard: TopicSubscription[Message] = TopicSubscription(backlog, 1, lambda *_: None, in_turns=True)
    for number, topic in enumerate(said):
        heard.put(Message(topic, number.to_bytes(2)))

    came = [await anext(heard) for _ in range(len(said) - heard.lost)]

    assert heard.lost == max(0, len(said) - backlog)
    for topic in set(said):
        last = [number for number, each in enumerate(said) if each == topic]
        mine = [int.from_bytes(message.payload) for message in came if message.topic == topic]
        assert mine == last[len(last) - len(mine) :]
    # Nobody is heard a second time while somebody who waited has not been heard once.
    first = [message.topic for message in came[: len({message.topic for message in came})]]
    assert len(set(first)) == len(first)


async def test_who_says_little_is_not_pushed_out_by_who_says_much() -> None:
    heard: TopicSubscription[Message] = TopicSubscription(100, 1, lambda *_: None, in_turns=True)
    for number in range(1_000):
        heard.put(Message("flood", number.to_bytes(2)))
    heard.put(Message("lamp", b"ON"))
    for number in range(1_000):
        heard.put(Message("flood", number.to_bytes(2)))

    assert [(await anext(heard)).topic for _ in range(3)] == ["flood", "lamp", "flood"]
