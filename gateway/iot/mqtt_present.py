"""An entity that is announced over MQTT, and what was heard of it since.

One rule: what a device says of its being reachable and of its state is kept here;
`gateway.iot.mqtt` carries it.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from gateway.iot.entity import EntityId, Value
from gateway.iot.ha_template import Payload, UnreadableError
from gateway.iot.measured import stamp_in
from gateway.iot.mqtt_entity import MqttEntity, Unknown


@dataclass(frozen=True, slots=True)
class Announcement:
    """What was last heard on one topic of announcements."""

    digest: bytes
    entities: frozenset[EntityId]


@dataclass(slots=True)
class Present:
    """An entity, and what was heard of it.

    Attributes:
        spec: How it speaks.
        announced_on: The topic of the announcement that it is in.
        votes: What each topic said last about its being reachable.
        readers: Who reads what is said on a topic, in this order.
        latest: The last of the votes.
        told: What was last told of its being reachable.
        good_until: When its last report is worth nothing any more, by the monotonic clock.
        heard_live: Whether its last report was said just then, not kept for us.
        measures: Whether it measures a body, and when is in its reports.
    """

    spec: MqttEntity
    announced_on: str
    votes: dict[str, bool] = field(default_factory=dict)
    readers: dict[str, tuple[MqttEntity, ...]] = field(init=False, default_factory=dict)
    latest: bool | None = None
    told: bool | None = None
    good_until: float = 0.0
    heard_live: bool = False
    measures: bool = False

    def __post_init__(self) -> None:
        mine = [self.votes[source.topic] for source in self.spec.sources if source.topic in self.votes]
        self.latest = mine[-1] if mine else None
        for report in () if self.spec.report is None else (self.spec.report, *self.spec.also):
            reader = replace(self.spec, report=report)
            self.readers[report.topic] = (*self.readers.get(report.topic, ()), reader)

    def reachable(self, now: float) -> bool:
        """Return whether it can be reached at `now`, by the monotonic clock."""
        fresh = self.spec.expire_after_s is None or now < self.good_until
        return fresh and self.spec.reachable(self.votes, self.latest)

    def read(self, topic: str, payload: Payload) -> Value | Unknown | None:
        """Return what the first reader of `topic` that finds something makes of `payload`.

        Raises:
            UnreadableError: none does, and to one of them the payload is not what was announced.
        """
        wrong = None
        for reader in self.readers.get(topic, ()):
            try:
                value = reader.read(payload)
            except UnreadableError as error:
                wrong = error
                continue
            if value is not None:
                return value
        if wrong is not None:
            raise wrong
        return None

    def measured_at(self, topic: str, payload: Payload) -> datetime | None:
        """Return when what `payload` says was measured; `None` if it does not say, or may not."""
        if not self.measures:
            return None
        for reader in self.readers.get(topic, ()):
            if reader.report is not None and reader.report.template.json:
                return stamp_in(payload.json, reader.report.template.steps, None)
        return None
