"""Telling CoAP devices what to become, and hearing what they became.

One rule: that a device took an order says nothing of what it is; that is its own word, said or asked for.
"""

import asyncio
import contextlib

import aiocoap

from gateway.errors import GatewayError
from gateway.iot.coap_announced import Announced, Resource
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, HomeTuning
from gateway.iot.coap_observe import ask
from gateway.iot.coap_senml import SENML_JSON, Record, encode, plain_text
from gateway.iot.coap_watch import Watcher
from gateway.iot.entity import EntityId, Reading, Value
from gateway.iot.link import DeviceRefusedError, LinkDownError, LinkEvent
from gateway.pubsub import Publisher, Subscription

WORD_WITHIN_S = 0.3
"""A device that is observed says by then what it became, or is asked."""


class Teller:
    """Hands orders to the devices that are announced."""

    def __init__(
        self,
        endpoint: CoapEndpoint,
        config: CoapConfig,
        announced: Announced,
        watcher: Watcher,
        events: Publisher[LinkEvent],
    ) -> None:
        """Tell those of `announced`; `watcher` says of `events` which of them speak by themselves."""
        self._endpoint = endpoint
        self._config = config
        self._announced = announced
        self._watcher = watcher
        self._events = events

    async def tell(self, entity: EntityId, value: Value) -> bool:
        """Have `entity` become `value`, and hear what it became.  True: the device itself took it.

        Raises:
            DeviceRefusedError: it answered no.
            LinkDownError: it could not be reached.
        """
        resource = self._announced.get(entity)
        if resource is None:
            raise LinkDownError(f"{entity} is not known over CoAP now")
        with self._events.subscribe() as said:
            await self._put(resource, value)
            if self._watcher.observes(entity) and await _becomes(said, entity, value):
                return True
        # Not every device notifies of a value that it had already: ask what it is now.
        with contextlib.suppress(GatewayError):
            read = aiocoap.Message(
                code=aiocoap.GET, uri=resource.url, accept=resource.accept, transport_tuning=HomeTuning()
            )
            await self._watcher.take(
                resource, await ask(self._endpoint.context, read, self._config.command_timeout_s)
            )
        return True

    async def _put(self, resource: Resource, value: Value) -> None:
        if resource.lwm2m is not None:
            session, path = resource.lwm2m
            await session.write(path, value)
            return
        request = aiocoap.Message(
            code=aiocoap.PUT,
            uri=resource.url,
            payload=encode(Record(value)) if resource.put == SENML_JSON else plain_text(value),
            content_format=resource.put,
            transport_tuning=HomeTuning(),
        )
        answer = await ask(self._endpoint.context, request, self._config.command_timeout_s)
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{resource.entity.id} answered {answer.code}")


async def _becomes(said: Subscription[LinkEvent], entity: EntityId, value: Value) -> bool:
    """Wait a moment for `entity` to say by itself that it is `value`; tell whether it did."""
    try:
        async with asyncio.timeout(WORD_WITHIN_S):
            async for event in said:
                if isinstance(event, Reading) and (event.entity, event.value) == (entity, value):
                    return True
    except TimeoutError:
        pass
    return False
