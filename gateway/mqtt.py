"""The MQTT broker as the rest of the gateway sees it.

One rule: when `Broker.publish` returns, the broker has the message; in every
other case the caller learns that it has not.  Nothing is kept to be sent later
behind the caller's back.
"""

from asyncio import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, Self
from urllib.parse import unquote, urlsplit

from gateway.errors import BadInputError, GatewayError
from gateway.pubsub import Publisher
from gateway.topics import TopicSubscription

MAX_PAYLOAD_BYTES = 1024 * 1024
MAX_BACKLOG = 4096


@dataclass(frozen=True, slots=True)
class Message:
    """What is published or received.

    Attributes:
        topic: Without wildcards.
        payload: At most `MAX_PAYLOAD_BYTES`.
        qos: 0, 1 or 2.
        retain: Published: keep it for later subscribers.  Received: it was kept.
    """

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False


class BrokerError(GatewayError):
    """The MQTT broker refused us, or is not there."""

    code: ClassVar[str] = "IOT-101"
    hint = "Check that the broker runs: gateway doctor says more."


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Where the broker is and who we are; shown without the credentials."""

    host: str
    port: int = 1883
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Return the address in ``mqtt://[user:password@]host[:port]``; both parts percent-encoded.

        Raises:
            BadInputError: it is not such an address.  The message does not repeat it.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme != "mqtt" or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise BadInputError("is not of the form mqtt://user:password@host:port")
        return cls(host, port or 1883, unquote(parts.username or ""), unquote(parts.password or ""))

    def __str__(self) -> str:
        return f"mqtt://[{self.host}]:{self.port}" if ":" in self.host else f"mqtt://{self.host}:{self.port}"


class Broker(Protocol):
    """Carries messages between the programs and devices of the house.

    Implementation: `gateway.mqtt_client`.  Both ways keep the order; what is published
    after `subscribe` was entered is heard there.
    """

    @property
    def connected(self) -> bool: ...

    @property
    def changes(self) -> Publisher[bool]:
        """True after each connection, when all filters are subscribed again; False after each loss."""

    def begin(self, message: Message) -> Future[None] | None:
        """Give `message` to the broker now; what comes back is done as `publish` is, and fails as that.

        Returns:
            `None` if others wait already: nothing was sent, and `publish` waits with them.

        Raises:
            BrokerError: it cannot be sent.
        """

    async def publish(self, message: Message) -> None:
        """Return when the broker has `message` (QoS 1 and 2: when it said so).

        Raises:
            BrokerError: it is not known to have it; trying again is the caller's decision.
        """

    def subscribe(
        self, *filters: str, backlog: int = MAX_BACKLOG, qos: int = 1, in_turns: bool = False
    ) -> AbstractContextManager[TopicSubscription[Message]]:
        """Listen to `filters` until the block is left, over all losses of the connection.

        A new listener makes the broker repeat what it retains on its filters;
        listeners of the same filter hear the repetition too.

        Args:
            filters: MQTT topic filters.
            backlog: Messages kept for a slow listener; beyond it the oldest go.
            qos: 0 for what is retained in great number: brokers drop what they have to queue
                beyond a limit (mosquitto: 1,000 by default), and queue only above QoS 0.
            in_turns: Whether what waits is heard from each topic in turn; the order is then kept
                within a topic only.
        """
