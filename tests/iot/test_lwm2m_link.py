import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.iot.commands import Command, CommandState
from gateway.iot.entity import Capability, EntityId, Value
from tests.conftest import Serve
from tests.iot.house import House, house, mosquitto
from tests.iot.lwm2m_peers import node_device

THERMOMETER = {"/3303/0": {"5700": "21.5", "5701": "Cel"}}
LAMP = {"/3311/0": {"5850": "0", "5750": "客厅灯"}}
LABEL = {"/3/0": {"0": "ACME", "1": "42", "2": "S-7", "3": "1.0", "9": "88"}}


@pytest.fixture
async def home(tmp_path: Path, serve: Serve) -> AsyncIterator[House]:
    async with mosquitto(tmp_path) as port, house(tmp_path, serve, port) as home:
        yield home


async def ordered(home: House, entity: EntityId, value: Value) -> Command:
    """Order it and return what became of it."""
    with home.commands.changes.subscribe() as changes:
        command = await home.commands.order(entity, value)
        async with asyncio.timeout(20):
            while not command.state.over:
                changed = await anext(changes)
                command = changed if changed.id == command.id else command
    return command


async def gone(home: House, entity: EntityId) -> None:
    """Wait until `entity` is no longer part of the home."""
    with home.registry.changes.subscribe() as changes:
        async with asyncio.timeout(20):
            while entity in home.registry.states:
                await anext(changes)


async def test_a_foreign_thermometer_is_on_the_screen_with_its_unit_and_its_label(home: House) -> None:
    entity = EntityId("coap.old.3303.0.5700")
    async with node_device(home.endpoint.port, THERMOMETER | LABEL) as device:
        state = await home.state(entity, value=21.5)
        battery = await home.state(EntityId("coap.old.3.0.9"), value=88)
        await device.tell("set /3303/0 5700 22.5")
        await home.state(entity, value=22.5)

    assert (state.entity.name, state.entity.unit, state.entity.capability) == (
        "温度",
        "°C",
        Capability.SENSOR,
    )
    assert (battery.entity.device_class, battery.entity.unit) == ("battery", "%")
    made = battery.entity.device
    assert (made.manufacturer, made.model, made.firmware) == ("ACME", "42", "1.0")


async def test_a_foreign_lamp_is_switched_and_says_so_itself(home: House) -> None:
    entity = EntityId("coap.old.3311.0.5850")
    async with node_device(home.endpoint.port, LAMP) as device:
        state = await home.state(entity, value=False)
        command = await ordered(home, entity, value=True)
        wrote = await device.says("wrote")
        await device.tell("set /3311/0 5850 0")
        await home.state(entity, value=False)

    assert (state.entity.name, state.entity.capability) == ("客厅灯", Capability.LIGHT)
    assert (command.state, wrote) == (CommandState.CONFIRMED, "/3311/0/5850 1")


async def test_a_foreign_device_updates_is_rebooted_and_takes_its_leave(home: House) -> None:
    entity = EntityId("coap.old.3303.0.5700")
    async with node_device(home.endpoint.port, THERMOMETER | LABEL) as device:
        await home.state(entity, value=21.5)
        await device.tell("update")
        await device.says("updated")
        await home.link.lwm2m("old").execute((3, 0, 4))
        executed = await device.says("executed")
        await device.tell("leave")
        await device.says("left")
        await gone(home, entity)

    assert executed == "/3/0/4"
