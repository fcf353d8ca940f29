"""The way to a real broker; see `gateway.mqtt.Broker`.

The only module that imports aiomqtt.  Four rules come from it:

* it wakes a task per received message, so messages are taken from its queue at
  the moment they are put there;
* a publication under way does not notice that the connection is gone, so this
  module ends it;
* one client object serves one connection, because paho would repeat old
  messages on the next;
* its own timeouts are not used: they rest on `asyncio.wait_for`, which in
  Python 3.11 may swallow a cancellation.
"""

import asyncio
import functools
import logging
import math
import secrets
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress

import aiomqtt

from gateway.errors import GatewayError
from gateway.mqtt import MAX_BACKLOG, MAX_PAYLOAD_BYTES, BrokerAddress, BrokerError, Message
from gateway.pubsub import Publisher
from gateway.topics import Routes, TopicSubscription

log = logging.getLogger(__name__)

MAX_WAITING = 2000
"""Publications that may wait for the broker at once; more are refused."""

PUBLISH_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 3.0
LEAVE_TIMEOUT_S = 1.0
SUBSCRIBE_TIMEOUT_S = 30.0
"""The answer comes behind everything that the broker retains on the filters before."""
KEEPALIVE_S = 15
PAUSES_S = (0.0, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Before each next attempt to connect; the last one repeats."""
STEADY_S = 5.0
"""A connection that lived this long was a good one: the next loss is retried at once."""

_FILTERS_PER_REQUEST = 100
_CONCURRENT_PUBLISHES = 64
_REFUSED = 0x80
"""MQTT 3.1.1 section 3.9.3: from here on a SUBACK code is a failure."""


class MqttClient:
    """See `gateway.mqtt.Broker`.  A service that keeps one connection to a real broker.

    Ready after its first attempt, successful or not: a house without a broker
    still has television.

    Attributes:
        connected: Whether the broker is there now.
        changes: Its becoming so and not so.
        dropped: Received messages that were too large.
    """

    def __init__(
        self,
        address: BrokerAddress | Callable[[], BrokerAddress],
        client_id: str,
        *,
        will: Message | None = None,
        birth: Message | None = None,
    ) -> None:
        """Connect nowhere yet.

        Args:
            address: The broker, or how to learn it before each attempt; while that raises a
                `GatewayError`, the broker is not there.
            client_id: A random part is added, so that no device can take our place by its name.
            will: The broker publishes it when we vanish; we publish it ourselves when we leave.
            birth: Published after each connection.
        """
        self.connected = False
        self.changes: Publisher[bool] = Publisher()
        self.dropped = 0
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
        self._client: aiomqtt.Client | None = None
        self._waiting: set[asyncio.Timeout] = set()
        self._since: float | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """Connect, and connect again, until cancelled."""
        attempt, reported = 0, False
        once = functools.cache(ready)
        while True:
            try:
                await self._session(once)
            except GatewayError as error:
                if self._since is not None and time.monotonic() - self._since > STEADY_S:
                    attempt, reported = 0, False
                self._since = None
                # Said once per outage: a broker that is away for a night must not fill the log.
                log.log(logging.DEBUG if reported else logging.WARNING, "%s", error.line())
                reported = True
            once()
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1

    async def publish(self, message: Message) -> None:
        client = self._client
        if client is None:
            raise BrokerError(f"not connected to the broker, so {message.topic} was not published")
        if len(message.payload) > MAX_PAYLOAD_BYTES or len(self._waiting) >= MAX_WAITING:
            raise BrokerError(f"too much to publish on {message.topic} ({len(message.payload)} bytes)")
        limit = asyncio.timeout(PUBLISH_TIMEOUT_S)
        try:
            async with limit:
                self._waiting.add(limit)
                # What we publish, our own listeners hear: their filters go first.
                await self._settled.wait()
                await client.publish(
                    message.topic, message.payload, message.qos, message.retain, timeout=math.inf
                )
        except TimeoutError:
            raise BrokerError(f"the broker did not take {message.topic} in time") from None
        except (aiomqtt.MqttError, ValueError, RuntimeError) as error:
            raise BrokerError(f"the broker did not take {message.topic}: {error}") from error
        finally:
            self._waiting.discard(limit)

    @contextmanager
    def subscribe(
        self, *filters: str, backlog: int = MAX_BACKLOG, qos: int = 1
    ) -> Iterator[TopicSubscription[Message]]:
        subscription: TopicSubscription[Message] = TopicSubscription(backlog, qos, self._change)
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

    async def _session(self, ready: Callable[[], None]) -> None:
        address = self._address()
        async with self._connection(address) as client:
            try:
                await self._live(client, address, ready)
            except asyncio.CancelledError:
                await self._take_leave(client)
                raise
            finally:
                self._lose()

    async def _live(self, client: aiomqtt.Client, address: BrokerAddress, ready: Callable[[], None]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(_until_lost(client), name="mqtt-connection")
                await self._greet(client)
                log.info("Connected to the broker %s", address)
                ready()
                await self._keep_subscribed(client)
        except ExceptionGroup as errors:
            # Not `except*`: see `gateway.errors.ungrouped`.
            lost, rest = errors.split((aiomqtt.MqttError, OSError, ValueError))
            if lost is None or rest is not None:
                raise
            raise BrokerError(f"the connection to {address} is lost: {lost.exceptions[0]}") from errors

    @asynccontextmanager
    async def _connection(self, address: BrokerAddress) -> AsyncIterator[aiomqtt.Client]:
        # The library warns about each attempt; that is said once, in `run`.
        quiet = log.getChild("library")
        quiet.setLevel(logging.ERROR)
        client = aiomqtt.Client(
            address.host,
            address.port,
            username=address.username or None,
            password=address.password or None,
            identifier=self._client_id,
            logger=quiet,
            queue_type=_hand_over(self._deliver),
            will=_as_will(self._will),
            timeout=CONNECT_TIMEOUT_S,
            keepalive=KEEPALIVE_S,
            max_inflight_messages=_CONCURRENT_PUBLISHES,
            max_concurrent_outgoing_calls=_CONCURRENT_PUBLISHES,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )
        client.pending_calls_threshold = MAX_WAITING
        # The library connects in a thread, where nothing can interrupt it: we
        # wait for the outcome even when cancelled, or its socket would be left.
        connecting = asyncio.create_task(_enter(client), name="mqtt-connect")
        try:
            await asyncio.shield(connecting)
        except (aiomqtt.MqttError, ValueError) as error:
            await _abandon(client)
            raise BrokerError(f"cannot connect to {address}: {error}") from error
        except asyncio.CancelledError:
            with suppress(aiomqtt.MqttError):
                await connecting
            await _abandon(client)
            raise
        try:
            yield client
        finally:
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    async def _greet(self, client: aiomqtt.Client) -> None:
        self._requests.clear()
        self._requests.extend((pattern, True) for pattern in self._routes.filters())
        await self._settle_requests(client)
        if self._birth is not None:
            await _say(client, self._birth)
        self._client = client
        self._since = time.monotonic()
        self.connected = True
        self.changes.publish(True)

    async def _keep_subscribed(self, client: aiomqtt.Client) -> None:
        while True:
            await self._requested.wait()
            self._requested.clear()
            await self._settle_requests(client)

    async def _settle_requests(self, client: aiomqtt.Client) -> None:
        while self._requests:
            batch = [self._requests.popleft() for _ in range(min(len(self._requests), _FILTERS_PER_REQUEST))]
            last = dict(batch)
            begun = [pattern for pattern, wanted in last.items() if wanted]
            ended = [pattern for pattern, wanted in last.items() if not wanted]
            if ended:
                async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                    await client.unsubscribe(ended, timeout=math.inf)
            if begun:
                wishes = [(each, self._routes.qos(each)) for each in begun]
                async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
                    answers = await client.subscribe(wishes, timeout=math.inf)
                for pattern, answer in zip(begun, answers, strict=False):
                    if isinstance(answer, int) and answer >= _REFUSED:
                        log.warning("The broker does not let us listen to %s", pattern)
        self._settled.set()

    async def _take_leave(self, client: aiomqtt.Client) -> None:
        if self._will is not None:
            # A clean goodbye makes the broker forget the will, so we say it ourselves.
            with suppress(aiomqtt.MqttError, TimeoutError):
                await _say(client, self._will, timeout_s=LEAVE_TIMEOUT_S)

    def _lose(self) -> None:
        self._client = None
        now = asyncio.get_running_loop().time()
        for limit in self._waiting:
            if not limit.expired():
                limit.reschedule(now)
        if self.connected:
            self.connected = False
            self.changes.publish(False)

    def _deliver(self, received: aiomqtt.Message) -> None:
        if len(received.payload) > MAX_PAYLOAD_BYTES:
            self.dropped += 1
            return
        topic = received.topic.value
        message = Message(topic, received.payload, received.qos, received.retain)
        for subscription in self._routes.to(topic):
            subscription.put(message)


def _hand_over(deliver: Callable[[aiomqtt.Message], None]) -> type[asyncio.Queue[aiomqtt.Message]]:
    class _Straight(asyncio.Queue[aiomqtt.Message]):
        """Keeps nothing: what is put goes straight to `deliver`."""

        def put_nowait(self, item: aiomqtt.Message) -> None:
            deliver(item)

    return _Straight


async def _enter(client: AbstractAsyncContextManager[aiomqtt.Client]) -> None:
    await client.__aenter__()


async def _say(client: aiomqtt.Client, message: Message, *, timeout_s: float = PUBLISH_TIMEOUT_S) -> None:
    async with asyncio.timeout(timeout_s):
        await client.publish(message.topic, message.payload, message.qos, message.retain, timeout=math.inf)


async def _until_lost(client: aiomqtt.Client) -> None:
    """Wait for the end of the connection; the messages themselves never come this way."""
    async for _ in client.messages:
        pass


async def _abandon(client: aiomqtt.Client) -> None:
    """Close the socket of an attempt that did not get as far as a connection."""
    client.timeout = 0.1
    with suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


def _as_will(will: Message | None) -> aiomqtt.Will | None:
    return None if will is None else aiomqtt.Will(will.topic, will.payload, will.qos, will.retain)
