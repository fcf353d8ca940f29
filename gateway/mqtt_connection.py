"""One connection to a broker, from its greeting to its end, by paho on the event loop.

The only module that imports paho.  One rule: a connection lives once.  Paho would
repeat old messages on the next one, so a lost connection is left, and a new object
made for another.

Paho writes where it stands, and what the socket does not take waits for the loop;
so a message goes out without a turn of the loop in between.
"""

import asyncio
import socket
import time
from asyncio import Future, Handle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.mqtt import BrokerAddress, BrokerError, Message
from gateway.mqtt_window import MOST_UNDER_WAY, Window

CONNECT_TIMEOUT_S = 3.0
KEEPALIVE_S = 15
LOOK_EVERY_S = 1.0
"""Whether the broker still answers, and whether it is time to say that we are here."""
FEW = 2
"""With more than that under way, company is worth more than speed."""
READ_SLICE_S = 0.01
"""Packets are read for so long at once; then everybody else gets a turn."""


class Connection:
    """Over by itself or by `close`; then every call fails and `lost` says why.

    Attributes:
        lost: Done when the connection is over.
    """

    def __init__(
        self, client_id: str, deliver: Callable[[Message], None], *, will: Message | None = None
    ) -> None:
        """Connect nowhere yet.

        Args:
            client_id: At most one connection of that name is kept by the broker.
            deliver: Called with each message, in order; must not raise.
            will: Said by the broker when this connection breaks.
        """
        self._loop = asyncio.get_running_loop()
        self.lost: Future[BrokerError] = self._loop.create_future()
        self._deliver = deliver
        self._greeted: Future[None] = self._loop.create_future()
        self._window = Window()
        self._answers: dict[int, Future[list[ReasonCode]]] = {}
        self._heard = 0
        self._socket: socket.socket | None = None
        self._reading = self._writing = False
        self._held = False
        self._look: Handle | None = None
        self._paho = Client(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        self._paho.connect_timeout = CONNECT_TIMEOUT_S
        self._paho.max_inflight_messages_set(MOST_UNDER_WAY)
        if will is not None:
            self._paho.will_set(will.topic, will.payload, will.qos, will.retain)
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        # The loop must let go of a socket before it is closed: its number may be another's at once.
        self._paho.on_socket_close = lambda *_: self._detach()
        self._paho.on_publish = self._on_publish
        self._paho.on_subscribe = self._on_answer
        self._paho.on_unsubscribe = self._on_answer
        self._paho.on_message = self._on_message

    async def open(self, address: BrokerAddress, keepalive_s: int = KEEPALIVE_S) -> None:
        """Return when the broker has greeted us; ask it every `keepalive_s` whether it is there.

        Raises:
            BrokerError: it is not there, or does not want us.
        """
        if address.username:
            self._paho.username_pw_set(address.username, address.password)
        # Names are looked up in a thread, where nothing can interrupt it: the outcome is waited
        # for even when cancelled, or its socket would be left.
        connecting = self._loop.run_in_executor(
            None, self._paho.connect, address.host, address.port, keepalive_s
        )
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            with suppress(OSError, ValueError):
                await connecting
            self._end(BrokerError("given up"))
            raise
        except (OSError, ValueError) as error:
            self._end(BrokerError(str(error)))
            raise BrokerError(f"cannot connect to {address}: {error}") from error
        self._attach()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await self._greeted
        except TimeoutError:
            self._end(BrokerError("the broker does not answer"))
            raise BrokerError(f"cannot connect to {address}: it does not answer") from None
        except BrokerError as error:
            raise BrokerError(f"cannot connect to {address}: {error}") from error
        except asyncio.CancelledError:
            self._end(BrokerError("given up"))
            raise

    @property
    def has_room(self) -> bool:
        """Whether `begin` may be called now; see `Window.has_room`."""
        return self._window.has_room

    async def begin_in_turn(self, message: Message) -> Future[None]:
        """Wait until there is room, then `begin`; what was begun cannot be taken back.

        Raises:
            BrokerError: as `begin`.
        """
        if self.has_room:
            return self.begin(message)
        async with self._window.turn():
            return self.begin(message)

    def begin(self, message: Message) -> Future[None]:
        """Give `message` to the broker; done when it has it, or will not have it.

        Raises:
            BrokerError: the connection is over, or the topic cannot be.
        """
        self._check()
        if len(self._window) > FEW:
            self._hold()
        try:
            sent = self._paho.publish(message.topic, message.payload, message.qos, message.retain)
        except ValueError as error:
            raise BrokerError(str(error)) from error
        if sent.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end_by(sent.rc)
            raise self._over()
        if sent.is_published():
            done: Future[None] = self._loop.create_future()
            done.set_result(None)
            return done
        self._write_later()
        return self._window.add(sent.mid, len(message.payload))

    async def subscribe(self, filters: Sequence[tuple[str, int]]) -> list[bool]:
        """Listen to `filters`, each with its QoS; return which of them the broker grants.

        Raises:
            BrokerError: the connection is over.
        """
        self._check()
        rc, mid = self._paho.subscribe(list(filters))
        return [not code.is_failure for code in await self._answer(rc, mid)]

    async def unsubscribe(self, filters: Sequence[str]) -> None:
        """Listen to `filters` no more; raises as `subscribe`."""
        self._check()
        await self._answer(*self._paho.unsubscribe(list(filters)))

    def close(self) -> None:
        """Take leave: the broker forgets the will."""
        if not self.lost.done():
            self._paho.disconnect()
        self._end(BrokerError("the connection was closed"))

    def _check(self) -> None:
        if self.lost.done():
            raise self._over()

    def _over(self) -> BrokerError:
        return BrokerError(str(self.lost.result()))

    async def _answer(self, rc: MQTTErrorCode, mid: int | None) -> list[ReasonCode]:
        if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            self._end_by(rc)
            raise self._over()
        answer: Future[list[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = answer
        self._write_later()
        try:
            return await answer
        finally:
            self._answers.pop(mid, None)

    def _attach(self) -> None:
        taken = self._paho.socket()
        if not isinstance(taken, socket.socket):
            self._end(BrokerError("the broker hung up"))
            return
        # Without it an answer waits for up to 40 ms for company (Nagle's algorithm, RFC 896).
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = taken
        self._loop.add_reader(taken, self._read)
        self._write_later()
        self._look = self._loop.call_later(LOOK_EVERY_S, self._look_after)

    def _detach(self) -> None:
        if self._socket is not None:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket = None

    def _read(self) -> None:
        begun, end_s = self._heard, time.monotonic() + READ_SLICE_S
        self._reading = True
        try:
            while time.monotonic() < end_s:
                heard = self._heard
                if heard > begun:
                    self._hold()
                rc = self._paho.loop_read()
                if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                    self._end_by(rc)
                if self._heard == heard or self.lost.done():
                    break
        finally:
            self._reading = False
        if self._socket is not None and self._paho.want_write():
            # Paho writes nothing while it calls us; what a message set off goes out now.
            self._write()
            self._write_later()

    def _write(self) -> None:
        rc = self._paho.loop_write()
        if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end_by(rc)
        elif self._socket is not None and not self._paho.want_write():
            self._loop.remove_writer(self._socket)
            self._writing = False

    def _hold(self) -> None:
        """Let what is written in this turn of the loop go out together: packets cost more than bytes."""
        if self._socket is not None and not self._held:
            self._held = True
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
            self._loop.call_soon(self._release)

    def _release(self) -> None:
        self._held = False
        if self._socket is not None:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)

    def _write_later(self) -> None:
        """Have the loop write what the socket did not take at once."""
        if self._socket is not None and not (self._reading or self._writing) and self._paho.want_write():
            self._writing = True
            self._loop.add_writer(self._socket, self._write)

    def _look_after(self) -> None:
        if self._window.is_late:
            # Over, so that nothing of what it was given is sent later.
            self._end(BrokerError("the broker does not acknowledge in time"))
            return
        rc = self._paho.loop_misc()
        if rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._end_by(rc)
        elif not self.lost.done():
            self._write_later()
            self._look = self._loop.call_later(LOOK_EVERY_S, self._look_after)

    def _end_by(self, rc: MQTTErrorCode) -> None:
        self._end(BrokerError(f"the connection broke ({rc.name})"))

    def _end(self, why: BrokerError) -> None:
        """Leave the socket and tell everybody who waits."""
        if self._look is not None:
            self._look.cancel()
        self._detach()
        left = self._paho.socket()
        if left is not None:
            left.close()
        if not self.lost.done():
            self.lost.set_result(why)
        everybody: tuple[Future[Any], ...] = (
            self._greeted,
            *self._window.waiting(),
            *self._answers.values(),
        )
        for waiting in everybody:
            if not waiting.done():
                waiting.set_exception(BrokerError(str(why)))
        if self._greeted.done() and not self._greeted.cancelled():
            self._greeted.exception()

    def _on_connect(
        self, _client: Client, _data: object, _flags: ConnectFlags, code: ReasonCode, _more: Properties | None
    ) -> None:
        self._heard += 1
        if self._greeted.done():
            return
        if code.is_failure:
            self._greeted.set_exception(BrokerError(str(code)))
        else:
            self._greeted.set_result(None)

    def _on_disconnect(
        self,
        _client: Client,
        _data: object,
        _flags: DisconnectFlags,
        code: ReasonCode,
        _more: Properties | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._end, BrokerError(str(code)))

    def _on_publish(
        self, _client: Client, _data: object, mid: int, _code: ReasonCode, _more: Properties
    ) -> None:
        self._heard += 1
        self._window.acknowledge(mid)

    def _on_answer(
        self, _client: Client, _data: object, mid: int, codes: list[ReasonCode], _more: Properties | None
    ) -> None:
        self._heard += 1
        waiting = self._answers.get(mid)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._heard += 1
        with suppress(UnicodeDecodeError):  # such a topic is against the protocol, and nobody listens to it
            self._deliver(Message(message.topic, bytes(message.payload), message.qos, message.retain))
