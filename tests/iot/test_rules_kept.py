"""What a broker kept for us sets off nothing: a real mosquitto forgets minutes, as in a power cut."""

import asyncio
import signal
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.child import running
from gateway.iot.commands_model import CommandState
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, State, StateChanged, Value
from gateway.iot.rules_engine import Engine, Fire, Unwait, Wait
from gateway.iot.rules_model import Rule, RuleId, Test
from gateway.iot.rules_quiet import is_life
from gateway.iot.rules_steps import Step
from tests.conftest import Serve
from tests.iot.house import House, house

ALARM = EntityId("home.alarm")
PASSED = EntityId("home.passed")
SIREN = EntityId("home.siren")
DOOR = EntityId("mqtt.door")
BELL = EntityId("mqtt.bell")
RULES = b"""
helpers:
  - {id: alarm, kind: alarm}
  - {id: passed, kind: switch}
  - {id: siren, kind: switch}
rules:
  - id: coming-in
    when: {entity: mqtt.door, equals: true}
    if:
      - {entity: home.alarm, equals: armed_away}
    do:
      - command: {entity: home.siren, value: true}
  - id: passed
    when: {entity: mqtt.bell, equals: true}
    do:
      - command: {entity: home.passed, value: true}
"""


@dataclass
class Box:
    """A broker that can lose power, alone or with the house on it."""

    folder: Path
    serve: Serve
    port: int

    def __post_init__(self) -> None:
        self._broker, self._house = AsyncExitStack(), AsyncExitStack()
        self._process: Process | None = None

    async def start_broker(self) -> None:
        file = self.folder / "mosquitto.conf"
        file.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nuser root\n"
            f"persistence true\npersistence_location {self.folder}/\nautosave_interval 300\n"
        )
        argv: list[str | Path] = ["/usr/sbin/mosquitto", "-c", file]
        self._process = await self._broker.enter_async_context(running(argv, stdout=DEVNULL, stderr=DEVNULL))

    async def start_house(self) -> House:
        return await self._house.enter_async_context(
            house(self.folder, self.serve, self.port, rules_text=RULES)
        )

    async def save(self) -> None:
        """Let the broker write what it keeps, as it does every few minutes."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(10):
            while not (self.folder / "mosquitto.db").exists():  # noqa: ASYNC110 - a file tells nobody that it is there
                await asyncio.sleep(0.01)

    async def cut(self, *, house_too: bool) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
        await self._broker.aclose()
        if house_too:
            await self._house.aclose()

    async def aclose(self) -> None:
        await self._house.aclose()
        await self._broker.aclose()


@pytest.fixture
async def box(tmp_path: Path, serve: Serve) -> AsyncIterator[Box]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    built = Box(tmp_path, serve, port)
    await built.start_broker()
    try:
        yield built
    finally:
        await built.aclose()


@pytest.mark.parametrize("house_too", [False, True], ids=["broker", "box"])
async def test_a_door_that_was_open_before_arming_is_no_burglar_after_a_power_cut(
    box: Box, house_too: bool
) -> None:
    home = await box.start_house()
    for name in ("door", "bell"):
        document = {"unique_id": name, "name": name, "state_topic": f"{name}/state"}
        await home.retain(f"homeassistant/binary_sensor/{name}/config", document)
        await home.state(EntityId(f"mqtt.{name}"))
    await home.retain("door/state", b"ON")
    await home.state(DOOR, value=True)
    await box.save()
    await home.retain("door/state", b"OFF")
    await home.state(DOOR, value=False)
    assert await _ordered(home, ALARM, "armed_away") is CommandState.CONFIRMED

    await box.cut(house_too=house_too)
    await box.start_broker()
    home = await box.start_house() if house_too else home
    old = await home.state(DOOR, value=True)
    await home.state(BELL, available=True)
    await home.retain("bell/state", b"ON")
    await home.state(PASSED, value=True)
    assert home.registry.states[ALARM].value == "armed_away"
    assert home.registry.states[SIREN].value is False
    assert not old.sure

    await home.retain("door/state", b"ON")
    await home.state(SIREN, value=True)


async def _ordered(home: House, entity: EntityId, value: Value) -> CommandState:
    with home.commands.changes.subscribe() as changes:
        command = await home.commands.order(entity, value)
        async with asyncio.timeout(10):
            while not command.state.over:
                told = await anext(changes)
                command = told if told.id == command.id else command
    return command.state


# --- the engine

KEPT = False
SAID = True


def _engine(test: Test) -> Engine:
    engine = Engine(lambda: datetime.now().astimezone())
    engine.arrange([Rule(id=RuleId("r"), when=test, do=(Step(scene="evening"),))], {}, 0.0)
    return engine


def _state(value: Value, *, sure: bool = True) -> State:
    device = Device(id=DeviceId("d"), name="d", link="mqtt")
    entity = Entity(id=DOOR, device=device, name="e", capability=Capability.BINARY_SENSOR)
    return State(entity, value, datetime.now(UTC), sure=sure)


@pytest.mark.parametrize(
    ("words", "fired"),
    [
        ([(True, KEPT)], 0),
        ([(True, KEPT), (True, SAID)], 1),
        ([(False, SAID), (True, KEPT), (True, SAID), (True, SAID)], 1),
        # What ends it is believed, so that no opening is passed over.
        ([(True, SAID), (False, KEPT), (True, SAID)], 2),
        ([(True, SAID), (True, KEPT), (True, SAID)], 1),
    ],
)
def test_what_was_kept_waits_for_the_devices_own_word(words: list[tuple[Value, bool]], fired: int) -> None:
    engine = _engine(Test(entity=DOOR, equals=True))
    outcomes = [
        outcome
        for value, sure in words
        for outcome in engine.heed(StateChanged(None, _state(value, sure=sure), live=sure), 0.0)
    ]
    assert [type(outcome) for outcome in outcomes] == [Fire] * fired


def test_a_wait_begins_with_the_devices_own_word_and_what_was_kept_can_end_it() -> None:
    engine = _engine(Test(entity=DOOR, equals=True, for_s=5))
    told = [_state(True, sure=False), _state(True), _state(False, sure=False)]
    outcomes = [engine.heed(StateChanged(None, state), 0.0) for state in told]
    assert [[type(outcome) for outcome in each] for each in outcomes] == [[], [Wait], [Unwait]]


def test_a_change_that_was_kept_is_neither_one_nor_a_sign_of_life() -> None:
    engine = _engine(Test(entity=DOOR, changes=True))
    kept = StateChanged(_state(False), _state(True, sure=False))
    said = StateChanged(_state(False), _state(True), live=True)
    assert (len(engine.heed(kept, 0.0)), len(engine.heed(said, 0.0))) == (0, 1)
    assert (is_life(kept), is_life(said)) == (False, True)
