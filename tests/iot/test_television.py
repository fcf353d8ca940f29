import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.iot import commands_table
from gateway.iot.commands import Commands, CommandsConfig
from gateway.iot.commands_model import CommandState
from gateway.iot.entity import EntityId, Value
from gateway.iot.link import DeviceRefusedError
from gateway.iot.registry import Registry
from gateway.iot.television import CHANNEL, PAUSED, POWER, Television, TelevisionLink
from gateway.media.tv_facts import NothingShownError
from gateway.pubsub import Publisher
from gateway.store import Store
from tests.conftest import Serve


@dataclass
class Set:
    """A television that does at once as it is told, and says nothing of what is so already."""

    on: bool = False
    paused: bool = False
    changes: Publisher[Any] = field(default_factory=Publisher)

    async def switch(self, on: bool) -> None:
        self.become(on=on, paused=False)

    async def hold(self, still: bool) -> None:
        if not self.on:
            raise NothingShownError("There is no picture to pause")
        self.become(on=True, paused=still)

    def become(self, *, on: bool, paused: bool) -> None:
        if (on, paused) != (self.on, self.paused):
            self.on, self.paused = on, paused
            self.changes.publish(None)

    def port(self) -> Television:
        return Television(
            changes=self.changes,
            is_on=lambda: self.on,
            number=lambda: 8 if self.on else None,
            is_paused=lambda: self.paused,
            switch=self.switch,
            hold=self.hold,
        )


@dataclass
class Home:
    """A home with nothing but a television."""

    television: Set
    registry: Registry
    commands: Commands

    async def end_of(self, entity: EntityId, value: Value) -> CommandState:
        with self.commands.changes.subscribe() as changes:
            command = await self.commands.order(entity, value)
            async with asyncio.timeout(10):
                while (step := await anext(changes)).id != command.id or not step.state.over:
                    pass
        return step.state


@pytest.fixture
async def home(serve: Serve, tmp_path: Path) -> AsyncIterator[Home]:
    television = Set()
    link = TelevisionLink(television.port())
    registry = Registry([link])
    store = Store(tmp_path / "gateway.db", {"commands": commands_table.MIGRATIONS}, durable=False)
    commands = Commands(store, registry, [link], CommandsConfig(deadline_s=2))
    async with serve(store), serve(registry), serve(commands), AsyncExitStack() as stack:
        with registry.changes.subscribe() as changes:
            await stack.enter_async_context(serve(link))
            async with asyncio.timeout(5):
                # Each is found, and says what it is.
                for _ in range(6):
                    await anext(changes)
        yield Home(television, registry, commands)


async def test_the_set_reports_what_it_shows(home: Home) -> None:
    with home.registry.changes.subscribe() as changes:

        async def reports(count: int) -> list[tuple[EntityId, object]]:
            async with asyncio.timeout(5):
                told = [(await anext(changes)).after for _ in range(count)]
            return [(state.entity.id, state.value) for state in told if state]

        home.television.become(on=True, paused=False)
        assert await reports(2) == [(POWER.id, True), (CHANNEL.id, 8)]
        home.television.become(on=True, paused=True)
        assert await reports(1) == [(PAUSED.id, True)]
        home.television.become(on=False, paused=False)
        # A picture that goes with the set does not go on: rules that look at the set see it off by then.
        assert await reports(3) == [(POWER.id, False), (CHANNEL.id, 0), (PAUSED.id, False)]


async def test_the_set_does_as_it_is_ordered_and_says_so(home: Home) -> None:
    for entity, value in ((POWER.id, True), (PAUSED.id, True), (PAUSED.id, False), (POWER.id, False)):
        assert await home.end_of(entity, value) is CommandState.CONFIRMED
        assert home.registry.states[entity].value is value


@pytest.mark.parametrize("entity", [POWER.id, PAUSED.id])
async def test_what_the_set_is_already_is_confirmed(home: Home, entity: EntityId) -> None:
    assert await home.end_of(entity, value=False) is CommandState.CONFIRMED


async def test_a_set_that_shows_nothing_cannot_be_paused(home: Home) -> None:
    assert await home.end_of(PAUSED.id, value=True) is CommandState.FAILED
    assert home.registry.states[PAUSED.id].value is False


@pytest.mark.parametrize(("entity", "value"), [(CHANNEL.id, 9), (POWER.id, "loud"), (PAUSED.id, 1)])
async def test_what_a_set_cannot_do_is_refused(entity: EntityId, value: object) -> None:
    link = TelevisionLink(Set().port())
    with pytest.raises(DeviceRefusedError):
        await link.command(entity, value)  # type: ignore[arg-type]
