"""The way to a real broker over all losses of the connection; see `gateway.mqtt.Broker`.

One rule: what is on its way when a connection breaks has failed, and whoever
sent it learns so at once; trying again is theirs to decide.
"""

import asyncio
import functools
import logging
import secrets
import time
from asyncio import Future
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from gateway.errors import GatewayError, ungrouped
from gateway.mqtt import MAX_BACKLOG, MAX_PAYLOAD_BYTES, BrokerAddress, BrokerError, Message
from gateway.mqtt_connection import KEEPALIVE_S, Connection
from gateway.mqtt_floods import FloodLimits, Floods
from gateway.pubsub import Publisher
from gateway.topics import Routes, TopicSubscription

log = logging.getLogger(__name__)

MAX_WAITING = 2000
"""Publications that may wait for the broker at once; more are refused."""

PUBLISH_TIMEOUT_S = 5.0
LEAVE_TIMEOUT_S = 1.0
SUBSCRIBE_TIMEOUT_S = 30.0
"""The answer comes behind everything that the broker retains on the filters before."""
PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Before each next attempt to connect; the last one repeats."""
STEADY_S = 5.0
"""A connection that lived this long was a good one: the next loss is retried at once."""

_FILTERS_PER_REQUEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttLimits:
    """What a broker and its devices may do.

    Attributes:
        keepalive_s: A broker that is silent for so long is asked whether it is there.
        flood: What one topic may say.
    """

    keepalive_s: int = KEEPALIVE_S
    flood: FloodLimits = field(default_factory=FloodLimits)


class MqttClient:
    """See `gateway.mqtt.Broker`.  A service that keeps one connection to a real broker.

    Ready after its first attempt, successful or not: a house without a broker
    still has television.

    Attributes:
        connected: Whether the broker is there now.
        changes: Its becoming so and not so.
        dropped: Received messages that were too large.
        floods: Topics on which more is said than anybody needs.
    """

    def __init__(
        self,
        address: BrokerAddress | Callable[[], BrokerAddress],
        client_id: str,
        *,
        will: Message | None = None,
        birth: Message | None = None,
        limits: MqttLimits | None = None,
    ) -> None:
        """Connect nowhere yet.

        Args:
            address: The broker, or how to learn it before each attempt; while that raises a
                `GatewayError`, the broker is not there.
            client_id: A random part is added, so that no device can take our place by its name.
            will: The broker publishes it when we vanish; we publish it ourselves when we leave.
            birth: Published after each connection.
            limits: What a broker and its devices may do; as on a box if not given.
        """
        self.connected = False
        self.changes: Publisher[bool] = Publisher()
        self.dropped = 0
        self._limits = limits or MqttLimits()
        self.floods = Floods(self._limits.flood, self._hand_on, self._mute, self._listen)
        self._address: Callable[[], BrokerAddress] = (
            (lambda: address) if isinstance(address, BrokerAddress) else address
        )
        self._client_id = f"{client_id}-{secrets.token_hex(4)}"
        self._will = will
        self._birth = birth
        self._routes: Routes[TopicSubscription[Message]] = Routes()
        self._requests: deque[tuple[str, bool]] = deque()
        self._requested = asyncio.Event()
        self._settled = asyncio.Event()
        self._connection: Connection | None = None
        self._waiting = 0
        self._since: float | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Connect, and connect again, until cancelled."""
        listening = asyncio.create_task(self.floods.run(), name="mqtt-floods")
        try:
            await self._connect_again_and_again(functools.cache(ready))
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _connect_again_and_again(self, once: Callable[[], None]) -> None:
        attempt, reported = 0, False
        while True:
            try:
                await self._session(once)
            except GatewayError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # A task group that fails while it is cancelled tells the failure only.
                    raise asyncio.CancelledError from error
                if self._since is not None and time.monotonic() - self._since > STEADY_S:
                    attempt, reported = 0, False
                self._since = None
                # Said once per outage: a broker that is away for a night must not fill the log.
                log.log(logging.DEBUG if reported else logging.WARNING, "%s", error.line())
                reported = True
            once()
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    def begin(self, message: Message) -> Future[None] | None:
        connection = self._connection
        if connection is None:
            raise BrokerError(f"not connected to the broker, so {message.topic} was not published")
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            raise BrokerError(f"too much to publish on {message.topic} ({len(message.payload)} bytes)")
        # What we publish, our own listeners hear: their filters go first.
        return connection.begin(message) if self._settled.is_set() and connection.has_room else None

    async def publish(self, message: Message) -> None:
        try:
            await (self.begin(message) or await self._begin_in_turn(message))
        except BrokerError as error:
            raise BrokerError(f"the broker did not take {message.topic}: {error}") from error

    async def _begin_in_turn(self, message: Message) -> Future[None]:
        connection = self._connection
        if connection is None or self._waiting >= MAX_WAITING:
            raise BrokerError(f"{self._waiting} others wait already")
        self._waiting += 1
        try:
            async with _in_time(PUBLISH_TIMEOUT_S):
                await self._settled.wait()
                return await connection.begin_in_turn(message)
        finally:
            self._waiting -= 1

    @contextmanager
    def subscribe(
        self, *filters: str, backlog: int = MAX_BACKLOG, qos: int = 1, in_turns: bool = False
    ) -> Iterator[TopicSubscription[Message]]:
        subscription: TopicSubscription[Message] = TopicSubscription(
            backlog, qos, self._change, in_turns=in_turns
        )
        try:
            subscription.add(*filters)
            yield subscription
        finally:
            subscription.remove(*self._routes.filters_of(subscription))

    def _change(self, subscription: TopicSubscription[Message], pattern: str, wanted: bool) -> None:
        if wanted:
            self._routes.add(pattern, subscription)
        elif self._routes.remove(pattern, subscription):
            return
        self._requests.append((pattern, wanted))
        self._settled.clear()
        self._requested.set()

    def _mute(self, topic: str) -> None:
        self._set_heard(topic, False)

    def _listen(self, topic: str) -> None:
        self._set_heard(topic, True)

    def _set_heard(self, topic: str, wanted: bool) -> None:
        # Nobody's publication waits for this one: its answer comes behind the flood.
        if self._connection is not None and self._routes.wants(topic):
            self._requests.append((topic, wanted))
            self._requested.set()

    async def _session(self, ready: Callable[[], None]) -> None:
        address = self._address()
        async with self._connected(address) as connection:
            try:
                with ungrouped():
                    async with asyncio.TaskGroup() as tasks:
                        tasks.create_task(_until_lost(connection, address), name="mqtt-connection")
                        await self._greet(connection)
                        log.info("Connected to the broker %s", address)
                        ready()
                        await self._keep_subscribed(connection)
            except asyncio.CancelledError:
                await self._take_leave(connection)
                raise
            finally:
                self._lose()

    @asynccontextmanager
    async def _connected(self, address: BrokerAddress) -> AsyncIterator[Connection]:
        connection = Connection(self._client_id, self._deliver, will=self._will)
        try:
            await connection.open(address, self._limits.keepalive_s)
            yield connection
        finally:
            connection.close()

    async def _greet(self, connection: Connection) -> None:
        self._requests.clear()
        self._requests.extend((pattern, True) for pattern in self._routes.filters())
        await self._settle_requests(connection)
        if self._birth is not None:
            await _say(connection, self._birth)
        self._connection = connection
        self._since = time.monotonic()
        self.connected = True
        self.changes.publish(True)

    async def _keep_subscribed(self, connection: Connection) -> None:
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self._settle_requests(connection)

    async def _settle_requests(self, connection: Connection) -> None:
        while self._requests:
            batch = [self._requests.popleft() for _ in range(min(len(self._requests), _FILTERS_PER_REQUEST))]
            last = dict(batch)
            begun = [pattern for pattern, wanted in last.items() if wanted]
            ended = [pattern for pattern, wanted in last.items() if not wanted]
            async with _in_time(SUBSCRIBE_TIMEOUT_S):
                if ended:
                    await connection.unsubscribe(ended)
                if begun:
                    granted = await connection.subscribe([(each, self._routes.qos(each)) for each in begun])
                    for pattern in (each for each, yes in zip(begun, granted, strict=False) if not yes):
                        log.warning("The broker does not let us listen to %s", pattern)
        self._settled.set()

    async def _take_leave(self, connection: Connection) -> None:
        if self._will is not None:
            # A clean goodbye makes the broker forget the will, so we say it ourselves.
            with suppress(BrokerError):
                await _say(connection, self._will, timeout_s=LEAVE_TIMEOUT_S)

    def _lose(self) -> None:
        self._connection = None
        if self.connected:
            self.connected = False
            self.changes.publish(False)

    def _deliver(self, message: Message) -> None:
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            self.dropped += 1
        elif self.floods.admits(message):
            self._hand_on(message)

    def _hand_on(self, message: Message) -> None:
        for subscription in self._routes.to(message.topic):
            subscription.put(message)


async def _say(connection: Connection, message: Message, *, timeout_s: float = PUBLISH_TIMEOUT_S) -> None:
    async with _in_time(timeout_s):
        await (await connection.begin_in_turn(message))


async def _until_lost(connection: Connection, address: BrokerAddress) -> None:
    why = await asyncio.shield(connection.lost)
    raise BrokerError(f"the connection to {address} is lost: {why}")


@asynccontextmanager
async def _in_time(limit_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(limit_s):
            yield
    except TimeoutError:
        raise BrokerError("the broker does not answer in time") from None
