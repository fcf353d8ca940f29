import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.iot.entity import EntityId
from gateway.iot.link import DeviceRefusedError
from gateway.iot.registry import Registry
from gateway.iot.television import CHANNEL, POWER, Television, TelevisionLink
from gateway.pubsub import Publisher
from tests.conftest import Serve


@dataclass
class Set:
    """A television that switches at once."""

    on: bool = False
    changes: Publisher[Any] = field(default_factory=Publisher)

    async def switch(self, on: bool) -> None:
        self.on = on
        self.changes.publish(None)

    def port(self) -> Television:
        return Television(
            changes=self.changes,
            is_on=lambda: self.on,
            number=lambda: 8 if self.on else None,
            switch=self.switch,
        )


async def test_the_set_reports_what_it_shows(serve: Serve) -> None:
    television = Set()
    link = TelevisionLink(television.port())
    registry = Registry([link])
    async with serve(registry):
        with registry.changes.subscribe() as changes:
            async with serve(link):
                assert await link.command(POWER.id, True)
                seen: dict[EntityId, object] = {}
                async with asyncio.timeout(5):
                    while seen != {POWER.id: True, CHANNEL.id: 8}:
                        change = await anext(changes)
                        assert change.after
                        seen[change.after.entity.id] = change.after.value


@pytest.mark.parametrize(("entity", "value"), [(CHANNEL.id, 9), (POWER.id, "loud")])
async def test_what_a_set_cannot_do_is_refused(entity: EntityId, value: object) -> None:
    link = TelevisionLink(Set().port())
    with pytest.raises(DeviceRefusedError):
        await link.command(entity, value)  # type: ignore[arg-type]
