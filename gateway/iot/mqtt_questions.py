"""Asking devices that keep no report at the broker for their state.

One rule: a question is no command.  It changes nothing, the answer is a report like any
other, and no answer means that nothing is known.
"""

import asyncio
import logging
from collections.abc import Iterable

from gateway.mqtt import Broker, BrokerError, Message

log = logging.getLogger(__name__)


class Questions:
    """What is to be asked; the same question of several entities is asked once."""

    def __init__(self, broker: Broker) -> None:
        """Ask nothing yet."""
        self._broker = broker
        self._waiting: set[tuple[str, bytes]] = set()
        self._arrived = asyncio.Event()

    def put(self, questions: Iterable[tuple[str, bytes]]) -> None:
        """Have each of `questions`, a topic and a payload, asked soon."""
        self._waiting.update(questions)
        if self._waiting:
            self._arrived.set()

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                topic, payload = self._waiting.pop()
                try:
                    await self._broker.publish(Message(topic, payload))
                except BrokerError as error:
                    log.debug("%s was not asked: %s", topic, error)
