"""Knowing that the broker has said everything that it retains.

One rule: only our own word tells.  A broker does not say when it has repeated what it
keeps on new filters, but it keeps the order of one connection: what we publish after
it granted the filters, we hear behind the repetition, if we listen to both at the same
quality of service.
"""

import asyncio
import logging
import secrets

from gateway.mqtt import Broker, BrokerError, Message

log = logging.getLogger(__name__)

PATIENCE_S = 2.0
"""After this long without an echo another one is sent: QoS 0 may be dropped."""


class Echo:
    """Numbered messages from us to ourselves, one under way at a time.

    Attributes:
        topic: To be listened to at QoS 0, in one subscription with what is waited for.
    """

    def __init__(self, broker: Broker) -> None:
        """Say nothing yet."""
        self.topic = f"gateway/echo/{secrets.token_hex(8)}"
        self._broker = broker
        self._sent = 0
        self._wanted = asyncio.Event()
        self._heard = asyncio.Event()

    def ask(self) -> int:
        """Return the number of the echo behind which all is heard that is asked for until now.

        An echo with a higher number will do as well: without a connection none is sent, so
        whoever waits asks again when there is one.
        """
        self._wanted.set()
        return self._sent + 1

    def hear(self, message: Message) -> int:
        """Return the number of the echo that `message` on `topic` is."""
        number = int(message.payload) if message.payload.isdigit() and len(message.payload) < 16 else 0  # noqa: PLR2004 - never reached
        if number >= self._sent:
            self._heard.set()
        return min(number, self._sent)

    async def run(self) -> None:
        """Send what is asked for until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            self._heard.clear()
            self._sent += 1
            try:
                await self._broker.publish(Message(self.topic, str(self._sent).encode(), qos=0))
                async with asyncio.timeout(PATIENCE_S):
                    await self._heard.wait()
            except BrokerError as error:
                log.debug("No echo: %s", error)
            except TimeoutError:
                self._wanted.set()
