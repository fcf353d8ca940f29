"""MQTT topic filters, and who listens to which.

One rule: pure, and finding the listeners of a topic does not grow with the
number of filters that have no wildcard; a home has thousands of those and a
handful of the others.
"""

from typing import Generic, TypeVar

T = TypeVar("T")

MAX_TOPIC_BYTES = 65_535
"""MQTT 3.1.1 section 4.7.3."""


def is_topic(text: str) -> bool:
    """Return whether `text` names one topic: not empty, no wildcard, no NUL, not too long."""
    return (
        0 < len(text.encode("utf-8", "replace")) <= MAX_TOPIC_BYTES
        and not any(forbidden in text for forbidden in "+#\0")
        and text.isprintable()
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

    def add(self, pattern: str, listener: T) -> None:
        """Let `listener` hear what `pattern` covers; twice is once."""
        listeners = self._table(pattern).setdefault(pattern, [])
        if listener not in listeners:
            listeners.append(listener)

    def remove(self, pattern: str, listener: T) -> bool:
        """Forget that `listener` wants `pattern`; return whether somebody else still does."""
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

    def to(self, topic: str) -> list[T]:
        """Return every listener that wants `topic`, each once."""
        found = list(self._exact.get(topic, ()))
        for pattern, listeners in self._wild.items():
            if topic_matches(pattern, topic):
                found.extend(listener for listener in listeners if listener not in found)
        return found

    def _table(self, pattern: str) -> dict[str, list[T]]:
        return self._wild if "+" in pattern or "#" in pattern else self._exact
