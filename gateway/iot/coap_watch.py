"""Following what CoAP resources say, one task for each.

One rule: tries again for ever with growing pauses; what does not answer is not
to be reached, and what it said is never more than the last that was heard.
"""

import asyncio
import contextlib
import logging
import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import aiocoap

from gateway.errors import GatewayError
from gateway.iot.coap_announced import (
    Announced,
    Resource,
)
from gateway.iot.coap_endpoint import CoapConfig, CoapEndpoint, HomeTuning
from gateway.iot.coap_lwm2m import NOT_THIS_FORMAT
from gateway.iot.coap_observe import Answer, Interest, ask, observe
from gateway.iot.coap_resources import reading_value
from gateway.iot.coap_senml import PayloadError, Record, decode
from gateway.iot.entity import Capability, EntityId, Reading
from gateway.iot.link import DeviceRefusedError, LinkDownError, LinkEvent
from gateway.iot.lwm2m_values import read_one
from gateway.pubsub import Publisher

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_POLL_S = 30.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Pause:
    """Growing pauses between attempts, ended early by a bell."""

    def __init__(self, longest_s: float) -> None:
        """Begin with the shortest; none is longer than `longest_s`."""
        self._longest_s = longest_s
        self._next_s = _FIRST_PAUSE_S

    def reset(self) -> None:
        """Begin anew with the shortest."""
        self._next_s = _FIRST_PAUSE_S

    async def rest(self, bell: asyncio.Event, seconds: float | None = None) -> None:
        """Rest for the next pause, or for `seconds`."""
        if seconds is None:
            # Spread, so that a street of devices does not come back in step after a power cut.
            seconds = self._next_s * random.uniform(0.75, 1.25)  # noqa: S311 - not a secret
            self._next_s = min(self._next_s * 2, self._longest_s)
        bell.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await bell.wait()


class Watcher:
    """Reads, observes and asks again."""

    def __init__(
        self, endpoint: CoapEndpoint, config: CoapConfig, announced: Announced, events: Publisher[LinkEvent]
    ) -> None:
        """Tell `announced` who can be reached, and `events` what was said."""
        self._endpoint = endpoint
        self._config = config
        self._announced = announced
        self._events = events
        self._observed: set[EntityId] = set()

    def observes(self, entity: EntityId) -> bool:
        """Whether its device has promised to say when `entity` changes."""
        return entity in self._observed

    async def keep(self, resources: tuple[Resource, ...], bell: asyncio.Event) -> None:
        """Follow `resources` until cancelled; `bell` ends the pauses between attempts."""
        async with asyncio.TaskGroup() as group:
            for resource in resources:
                group.create_task(self._watch(resource, bell), name=f"observe {resource.entity.id}")

    async def _watch(self, resource: Resource, bell: asyncio.Event) -> None:
        pause = Pause(self._config.longest_pause_s)
        while True:
            try:
                resource, soon = await self._follow(resource, pause)
                await pause.rest(bell, _FIRST_PAUSE_S if soon else _POLL_S)
            except GatewayError as failed:
                log.debug("%s: %s", resource.entity.id, failed)
                if resource.sleeps_s is None:
                    self._announced.set_available(resource.entity.id, available=False)
                await pause.rest(bell)

    async def _follow(self, resource: Resource, pause: Pause) -> tuple[Resource, bool]:
        """Take what `resource` says until it says no more; return how to ask it then, and whether soon."""
        entity, observed = resource.entity.id, False
        answers = observe(self._endpoint.context, self._interest(resource), partial(self._heeds, resource))
        try:
            async with contextlib.aclosing(answers):
                async for answer in answers:
                    if answer.code in NOT_THIS_FORMAT and resource.accept is not None:
                        return replace(resource, accept=None), True  # it may choose
                    await self.take(resource, answer)
                    observed = answer.opt.observe is not None
                    if observed:
                        self._observed.add(entity)
                    pause.reset()
        finally:
            self._observed.discard(entity)
        return resource, observed

    def _interest(self, resource: Resource) -> Interest:
        return Interest(
            url=resource.url,
            accept=resource.accept,
            timeout_s=self._config.request_timeout_s,
            margin_s=self._config.margin_s if resource.sleeps_s is None else resource.sleeps_s,
            tuning=HomeTuning(),
            checks=resource.lwm2m is not None,
        )

    async def take(self, resource: Resource, answer: Answer) -> None:
        """Publish what `answer` says of `resource`.

        Raises:
            DeviceRefusedError: it says no.
            LinkDownError: it is not part of the home any more.
            PayloadError: it says something else than it should.
        """
        if answer.code.is_successful() and _goes_on(answer):
            answer = await ask(
                self._endpoint.context,
                aiocoap.Message(code=aiocoap.GET, uri=resource.url, accept=resource.accept),
                self._config.request_timeout_s,
            )
        self._tell(resource, answer)

    def _heeds(self, resource: Resource, answer: Answer) -> bool:
        """Publish `answer` where it arrives, if that needs no waiting; tell whether it was."""
        if _goes_on(answer):
            return False
        try:
            self._tell(resource, answer)
        except Exception:  # noqa: BLE001 - the reader's: there it is met again, and not in the socket's turn
            return False
        return True

    def _tell(self, resource: Resource, answer: Answer) -> None:
        if not answer.code.is_successful():
            raise DeviceRefusedError(f"{resource.entity.id} answered {answer.code}")
        now = datetime.now(UTC)
        records: tuple[Record, ...]
        if resource.lwm2m is None:
            records = _one_story(decode(answer.payload, answer.opt.content_format, now=now))
        else:
            session, path = resource.lwm2m
            records = (read_one(answer.payload, answer.opt.content_format, path, now=now),)
            session.learn(answer)
        known = self._announced.get(resource.entity.id)
        if known is None:
            raise LinkDownError(f"{resource.entity.id} has gone meanwhile")
        entity = known.entity
        unit = records[-1].unit
        if entity.capability is Capability.SENSOR and unit and unit != entity.unit:
            entity = self._announced.remeasure(entity, unit)
        # What a switch is, it is when it says so, whatever it thinks the time is.
        told = [
            (reading_value(entity, record.value), None if entity.capability.writable else record.at)
            for record in records
        ]
        if any(value is None for value, _ in told):
            raise PayloadError(f"{entity.id} says something that is not {entity.capability}")
        self._announced.set_available(entity.id, available=True)
        for number, (value, at) in enumerate(told, 1):
            if value is not None:
                newest = number == len(told)
                self._events.publish(Reading(entity.id, value, at or now, live=newest, dated=at is not None))


def _goes_on(answer: Answer) -> bool:
    return answer.opt.block2 is not None and answer.opt.block2.more


def _one_story(records: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return those of the last one's name and unit in the order of their times: a meter's memory, maybe."""
    last = records[-1]
    same = [record for record in records if (record.name, record.unit) == (last.name, last.unit)]
    if last.at is None or any(record.at is None for record in same):
        return (last,)
    return tuple(sorted(same, key=lambda record: record.at or _LONG_AGO))
