"""Hearing the pictures of cameras that speak MQTT.

One rule: pictures come by an ear of their own, which holds few of them, so that a camera that
floods costs itself and nobody else.
"""

from datetime import UTC, datetime

from gateway.iot.entity import EntityId, Reading
from gateway.iot.link import LinkEvent
from gateway.iot.mqtt_entity import PictureTopic
from gateway.iot.pictures import Pictures
from gateway.mqtt import Broker, Message
from gateway.pubsub import Publisher, in_turns
from gateway.topics import TopicSubscription

BACKLOG = 8


class PictureEar:
    """Takes pictures, and tells when there is a new one."""

    def __init__(self, broker: Broker, pictures: Pictures, events: Publisher[LinkEvent]) -> None:
        """Listen to nobody yet."""
        self._broker = broker
        self._pictures = pictures
        self._events = events
        self._topics: dict[EntityId, PictureTopic] = {}
        self._heard: TopicSubscription[Message] | None = None

    def follow(self, camera: EntityId, where: PictureTopic | None) -> None:
        """Listen for `camera` at `where`, or no more."""
        before = self._topics.pop(camera, None)
        if where is not None:
            self._topics[camera] = where
        else:
            self._pictures.forget(camera)
        left = {each.topic for each in self._topics.values()}
        if self._heard is None:
            return
        if before is not None and before.topic not in left:
            self._heard.remove(before.topic)
        if where is not None:
            self._heard.add(where.topic)

    async def run(self) -> None:
        """Listen until cancelled."""
        topics = {each.topic for each in self._topics.values()}
        with self._broker.subscribe(*topics, backlog=BACKLOG, qos=0) as heard:
            self._heard = heard
            try:
                async for message in in_turns(heard):
                    self._take(message)
            finally:
                self._heard = None

    def _take(self, message: Message) -> None:
        now = datetime.now(UTC)
        for camera, where in tuple(self._topics.items()):
            if where.topic != message.topic or not message.payload:
                continue
            picture = self._pictures.take(camera, message.payload, now, encoded=where.encoded)
            if picture is not None:
                self._events.publish(Reading(camera, picture.kind, now, live=not message.retain))
