"""MQTT topic filters, and who listens to which.

One rule: pure, and finding the listeners of a topic does not grow with the
number of filters that have no wildcard; a home has thousands of those and a
handful of the others.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gateway.pubsub import Subscription

MAX_BACKLOG_BYTES = 16 * 1024 * 1024

MAX_TOPIC_BYTES = 65_535
"""MQTT 3.1.1 section 4.7.3."""
MAX_FOUND = 20_000
"""Topics whose listeners are remembered; beyond it the memory begins anew."""
MAX_LEVELS = 100
"""Mosquitto hangs up on whoever asks for more than 200."""


class Carried(Protocol):
    """What is published on topics."""

    @property
    def topic(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


class Listener(Protocol):
    """Who listens to topics."""

    @property
    def qos(self) -> int: ...


C = TypeVar("C", bound=Carried)
T = TypeVar("T", bound=Listener)


class Turns(Generic[C]):
    """Messages that wait, each topic's in the order of arrival, and the topics take turns.

    Whoever says little waits behind one message of each who says much, and not behind all of them.
    """

    maxlen = None

    def __init__(self) -> None:
        self._topics: OrderedDict[str, deque[C]] = OrderedDict()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, message: C, /) -> None:
        """Have `message` wait."""
        self._topics.setdefault(message.topic, deque()).append(message)
        self._count += 1

    def popleft(self) -> C:
        """Return the message whose turn it is."""
        topic, waiting = next(iter(self._topics.items()))
        message = waiting.popleft()
        self._count -= 1
        if waiting:
            self._topics.move_to_end(topic)
        else:
            del self._topics[topic]
        return message

    def make_room(self, topic: str) -> C:
        """Take away the oldest message of `topic`, or else of who says most."""
        waiting = self._topics.get(topic)
        if waiting is None:
            topic, waiting = max(self._topics.items(), key=lambda each: len(each[1]))
        message = waiting.popleft()
        self._count -= 1
        if not waiting:
            del self._topics[topic]
        return message


class TopicSubscription(Subscription[C]):
    """One listener's messages, in the order of arrival, or in turns.

    Bounded in number and in bytes: beyond either the oldest go, counted in `lost`.

    Attributes:
        qos: With which it wants to be served.
    """

    def __init__(
        self,
        backlog: int,
        qos: int,
        change: Callable[["TopicSubscription[C]", str, bool], None],
        *,
        in_turns: bool = False,
    ) -> None:
        self._turns: Turns[C] | None = Turns() if in_turns else None
        super().__init__(backlog, self._turns)
        self.qos = qos
        self._change = change
        self._backlog = backlog
        self._bytes = 0

    def add(self, *filters: str) -> None:
        """Listen to `filters` as well; the broker repeats what it retains on them."""
        for each in filters:
            self._change(self, each, True)

    def remove(self, *filters: str) -> None:
        """Listen to `filters` no more."""
        for each in filters:
            self._change(self, each, False)

    def put(self, message: C) -> None:
        """Give `message` to the listener."""
        if self._is_heeded(message):
            return
        self._bytes += len(message.payload)
        while self._facts and (self._bytes > MAX_BACKLOG_BYTES or len(self._facts) >= self._backlog):
            gone = self._facts.popleft() if self._turns is None else self._turns.make_room(message.topic)
            self._bytes -= len(gone.payload)
            self.lost += 1
        self._put(message)

    def _take(self) -> C:
        message = super()._take()
        self._bytes -= len(message.payload)
        return message


def is_topic(text: str) -> bool:
    """Return whether `text` names one topic: not empty, no wildcard, no NUL, not too long."""
    return (
        0 < len(text.encode("utf-8", "replace")) <= MAX_TOPIC_BYTES
        and not any(forbidden in text for forbidden in "+#\0")
        and text.isprintable()
        and text.count("/") < MAX_LEVELS
    )


def topic_matches(pattern: str, topic: str) -> bool:
    """Return whether the filter `pattern` covers `topic` (MQTT 3.1.1 section 4.7)."""
    if topic.startswith("$") and not pattern.startswith("$"):
        return False
    wanted, levels = pattern.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(levels) or level not in ("+", levels[i]):
            return False
    return len(wanted) == len(levels)


class Routes(Generic[T]):
    """Which listener wants which filter."""

    def __init__(self) -> None:
        self._exact: dict[str, list[T]] = {}
        self._wild: dict[str, list[T]] = {}
        self._found: dict[str, tuple[T, ...]] = {}

    def add(self, pattern: str, listener: T) -> None:
        """Let `listener` hear what `pattern` covers; twice is once."""
        self._found.clear()
        listeners = self._table(pattern).setdefault(pattern, [])
        if listener not in listeners:
            listeners.append(listener)

    def remove(self, pattern: str, listener: T) -> bool:
        """Forget that `listener` wants `pattern`; return whether somebody else still does."""
        self._found.clear()
        table = self._table(pattern)
        listeners = table.get(pattern, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            table.pop(pattern, None)
        return bool(listeners)

    def filters(self) -> list[str]:
        """Return every filter that somebody wants, once."""
        return [*self._wild, *self._exact]

    def filters_of(self, listener: T) -> list[str]:
        """Return what `listener` wants."""
        tables = (*self._wild.items(), *self._exact.items())
        return [pattern for pattern, listeners in tables if listener in listeners]

    def wants(self, pattern: str) -> bool:
        """Return whether somebody wants this very filter."""
        return pattern in self._table(pattern)

    def qos(self, pattern: str) -> int:
        """Return the highest QoS that a listener of `pattern` wants."""
        return max((listener.qos for listener in self._table(pattern).get(pattern, ())), default=0)

    def to(self, topic: str) -> tuple[T, ...]:
        """Return every listener that wants `topic`, each once."""
        known = self._found.get(topic)
        if known is not None:
            return known
        found = list(self._exact.get(topic, ()))
        for pattern, listeners in self._wild.items():
            if topic_matches(pattern, topic):
                found.extend(listener for listener in listeners if listener not in found)
        if len(self._found) >= MAX_FOUND:
            self._found.clear()
        self._found[topic] = tuple(found)
        return self._found[topic]

    def _table(self, pattern: str) -> dict[str, list[T]]:
        return self._wild if "+" in pattern or "#" in pattern else self._exact
