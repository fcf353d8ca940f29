"""Home security and elder care, as the box brings them, in a house with a real store."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.iot import commands_table, household_link, rules
from gateway.iot.commands import Commands
from gateway.iot.commands_model import Command, CommandState
from gateway.iot.commands_refused import WrongValueError
from gateway.iot.entity import Capability, Device, DeviceId, Entity, EntityId, Reading, Value
from gateway.iot.household_link import HouseholdLink
from gateway.iot.link import Found, LinkEvent
from gateway.iot.registry import Registry
from gateway.iot.rules import Rules, Senses
from gateway.iot.rules_runs import Action
from gateway.iot.scenes import Scenes
from gateway.pubsub import Publisher
from gateway.store import Store
from gateway.supervisor import Service
from tests.conftest import Serve

SETS = Path(rules.__file__).parent / "rulesets"
ALARM = EntityId("home.alarm")
LEAVING = EntityId("home.alarm_leaving")
DOOR = EntityId("mqtt.door")
WINDOW = EntityId("mqtt.window")
MOTION = EntityId("mqtt.motion")
SIREN = EntityId("mqtt.siren")
LONG = "3600"
TABLES = {
    "rules": rules.MIGRATIONS,
    "commands": commands_table.MIGRATIONS,
    "home": household_link.MIGRATIONS,
}


class Wires:
    """A link with the sensors and the siren of a home: see `gateway.iot.link.Link`."""

    name = "mqtt"

    def __init__(self) -> None:
        self.events: Publisher[LinkEvent] = Publisher()

    async def run(self, ready: Callable[[], None]) -> None:
        device = Device(id=DeviceId("wires"), name="wires", link=self.name)
        for sensor in (DOOR, WINDOW, MOTION):
            self.events.publish(
                Found(Entity(id=sensor, device=device, name=sensor, capability=Capability.BINARY_SENSOR))
            )
            self.says(sensor, False)
        self.events.publish(
            Found(Entity(id=SIREN, device=device, name="siren", capability=Capability.SWITCH))
        )
        self.says(SIREN, False)
        ready()
        await asyncio.Event().wait()

    async def command(self, entity: EntityId, value: Value) -> bool:
        self.says(entity, value)
        return False

    def says(self, entity: EntityId, value: Value) -> None:
        self.events.publish(Reading(entity, value, datetime.now(UTC)))


@dataclass
class Family:
    """Who is told, and who answers; outlives the box."""

    told: asyncio.Queue[Mapping[str, str]] = field(default_factory=asyncio.Queue)
    asked: asyncio.Queue[asyncio.Future[bool | None]] = field(default_factory=asyncio.Queue)

    async def notify(self, text: Mapping[str, str]) -> None:
        self.told.put_nowait(text)

    async def ask(self, text: Mapping[str, str], after_s: float) -> bool | None:
        assert text["zh"]
        assert after_s
        answer: asyncio.Future[bool | None] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait(answer)
        return await answer

    async def hears(self) -> str:
        async with asyncio.timeout(10):
            return (await self.told.get())["en"]

    async def is_asked(self) -> asyncio.Future[bool | None]:
        async with asyncio.timeout(10):
            return await self.asked.get()


@dataclass
class Home:
    """A box that runs, and its home."""

    folder: Path
    wires: Wires
    registry: Registry
    commands: Commands
    scenes: Scenes
    keys: Publisher[str]
    store: Store

    async def becomes(self, entity: EntityId, value: Value) -> None:
        with self.registry.changes.subscribe() as changes:
            async with asyncio.timeout(10):
                while (state := self.registry.states.get(entity)) is None or state.value != value:
                    await anext(changes)

    async def order(self, entity: EntityId, value: Value) -> Command:
        """Order, and wait for the end of it."""
        with self.commands.changes.subscribe() as changes:
            command = await self.commands.order(entity, value)
            async with asyncio.timeout(10):
                while not command.state.over:
                    told = await anext(changes)
                    command = told if told.id == command.id else command
        return command

    def pull_the_plug(self, elsewhere: Path) -> Path:
        """Return a folder with what the disk holds at this instant."""
        elsewhere.mkdir()
        for file in self.folder.iterdir():
            shutil.copy(file, elsewhere)
        return elsewhere


@asynccontextmanager
async def home(folder: Path, serve: Serve, rules_text: str, family: Family) -> AsyncIterator[Home]:
    """Let a box run on what is in `folder`, with these rules."""
    file = folder / "rules.yaml"
    file.write_text(rules_text)
    store = Store(folder / "gateway.db", TABLES)
    wires, own = Wires(), HouseholdLink(file, store)
    registry = Registry([wires, own])
    orders = Commands(store, registry, [wires, own])
    scenes = Scenes(file, store, orders.order, orders.tell)
    keys: Publisher[str] = Publisher()

    def command(*, entity: EntityId, value: Value) -> None:
        # As on a box: see gateway.daemon_home.
        orders.tell(entity, value)

    def notice(*, text: Mapping[str, str]) -> None:
        assert text

    actions: dict[str, Action] = {
        "command": command,
        "notice": notice,
        "notify": family.notify,
        "ask": family.ask,
        "scene": scenes.tell,
    }
    working = Rules(file, registry, store, actions, Senses(keys=keys, of_scene=scenes.entities))
    services: list[Service] = [store, registry, orders, scenes, working, wires, own]
    async with AsyncExitStack() as stack:
        for service in services:
            await stack.enter_async_context(serve(service))
        yield Home(folder, wires, registry, orders, scenes, keys, store)


def security(*, leave_s: str = "0.1", enter_s: str = "0.1") -> str:
    """Return the rules of home security with the names of this home."""
    words = {
        "FRONT_DOOR,": f"{DOOR},",
        "WINDOW,": f"{WINDOW},",
        "MOTION,": f"{MOTION},",
        "entity: SIREN": f"entity: {SIREN}",
        "LEAVE_S}": f"{leave_s}}}",
        "ENTER_S}": f"{enter_s}}}",
    }
    return _filled("security.yaml", words)


def elder_care(*, quiet_s: str = "0.2") -> str:
    """Return the rules of elder care with the names of this home."""
    words = {
        "DOOR,": f"{DOOR},",
        "MOTION]": f"{MOTION}]",
        "for_s: QUIET_S": f"for_s: {quiet_s}",
        "after_s: ANSWER_S": "after_s: 600",
        "from: FROM, to: TO": 'from: "00:00", to: "23:59"',
    }
    return _filled("eldercare.yaml", words)


def _filled(name: str, words: Mapping[str, str]) -> str:
    text = (SETS / name).read_text()
    for placeholder, word in words.items():
        assert placeholder in text
        text = text.replace(placeholder, word)
    return text


# --- security


async def test_who_leaves_has_time_and_then_the_home_is_armed(tmp_path: Path, serve: Serve) -> None:
    async with home(tmp_path, serve, security(), Family()) as box:
        (ordered,) = await box.scenes.activate("security-leave")
        assert ordered.command is not None
        await box.becomes(ALARM, "arming")
        await box.becomes(ALARM, "armed_away")
        await box.becomes(LEAVING, False)


async def test_who_leaves_a_home_that_is_armed_has_the_same_time(tmp_path: Path, serve: Serve) -> None:
    async with home(tmp_path, serve, security(), Family()) as box:
        await box.order(ALARM, "armed_home")
        await box.scenes.activate("security-leave")
        await box.becomes(ALARM, "arming")
        await box.becomes(ALARM, "armed_away")
        await box.becomes(LEAVING, False)


async def test_a_person_is_told_by_the_alarms_own_report_and_cannot_say_what_only_rules_say(
    tmp_path: Path, serve: Serve
) -> None:
    async with home(tmp_path, serve, security(), Family()) as box:
        assert (await box.order(ALARM, "armed_home")).state is CommandState.CONFIRMED
        with pytest.raises(WrongValueError):
            await box.commands.order(ALARM, "triggered")


async def test_an_armed_home_is_armed_after_a_power_cut_and_cries_for_help(
    tmp_path: Path, serve: Serve
) -> None:
    family = Family()
    (before := tmp_path / "before").mkdir()
    async with home(before, serve, security(), family) as box:
        await box.order(ALARM, "armed_away")
        after = box.pull_the_plug(tmp_path / "after")
    async with home(after, serve, security(), family) as box:
        await box.becomes(ALARM, "armed_away")
        box.wires.says(DOOR, True)
        await box.becomes(ALARM, "triggered")
        await box.becomes(SIREN, True)
        assert await family.hears() == "The alarm of the home has gone off"


async def test_pulling_the_plug_while_the_time_to_disarm_runs_does_not_help_a_burglar(
    tmp_path: Path, serve: Serve
) -> None:
    family = Family()
    (before := tmp_path / "before").mkdir()
    async with home(before, serve, security(enter_s=LONG), family) as box:
        await box.order(ALARM, "armed_away")
        box.wires.says(DOOR, True)
        await box.becomes(ALARM, "pending")
        after = box.pull_the_plug(tmp_path / "after")
    assert family.told.empty()
    async with home(after, serve, security(), family) as box:
        await box.becomes(SIREN, True)
        await family.hears()
        await box.order(ALARM, "disarmed")
        await box.becomes(SIREN, False)


async def test_a_home_that_was_being_left_is_armed_after_a_power_cut(tmp_path: Path, serve: Serve) -> None:
    (before := tmp_path / "before").mkdir()
    async with home(before, serve, security(leave_s=LONG), Family()) as box:
        await box.scenes.activate("security-leave")
        await box.becomes(ALARM, "arming")
        after = box.pull_the_plug(tmp_path / "after")
    async with home(after, serve, security(), Family()) as box:
        await box.becomes(ALARM, "armed_away")


async def test_who_disarms_in_time_wakes_nobody(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    async with home(tmp_path, serve, security(enter_s="0.5"), family) as box:
        await box.order(ALARM, "armed_away")
        box.wires.says(DOOR, True)
        await box.becomes(ALARM, "pending")
        await box.order(ALARM, "disarmed")
        # Only the window tells now: were the first wait still on, it would have told before.
        await box.order(ALARM, "armed_home")
        box.wires.says(MOTION, True)
        box.wires.says(WINDOW, True)
        await box.becomes(ALARM, "triggered")
        await family.hears()
    assert family.told.empty()


async def test_at_home_one_may_move_but_a_window_is_still_guarded(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    async with home(tmp_path, serve, security(), family) as box:
        await box.order(ALARM, "armed_home")
        box.wires.says(MOTION, True)
        await box.becomes(MOTION, True)
        assert (await box.order(ALARM, "armed_home")).state is CommandState.CONFIRMED
        box.wires.says(WINDOW, True)
        await box.becomes(ALARM, "triggered")
        assert await family.hears()


async def test_who_changes_their_mind_while_leaving_stays_disarmed(tmp_path: Path, serve: Serve) -> None:
    async with home(tmp_path, serve, security(leave_s=LONG), Family()) as box:
        await box.scenes.activate("security-leave")
        await box.becomes(ALARM, "arming")
        await box.order(LEAVING, False)
        await box.becomes(ALARM, "disarmed")


# --- elder care


async def test_long_quiet_is_asked_about_and_silence_is_told_to_the_family(
    tmp_path: Path, serve: Serve
) -> None:
    family = Family()
    async with home(tmp_path, serve, elder_care(), family):
        (await family.is_asked()).set_result(None)
        assert "nobody answered" in await family.hears()


async def test_who_answers_is_left_in_peace_until_it_is_quiet_again(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    async with home(tmp_path, serve, elder_care(), family) as box:
        (await family.is_asked()).set_result(True)
        box.keys.publish("ok")
        (await family.is_asked()).set_result(False)
        assert "asks for help" in await family.hears()
    assert family.told.empty()


async def test_a_question_that_a_power_cut_ended_is_asked_again(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    async with home(tmp_path, serve, elder_care(), family):
        await family.is_asked()
    async with home(tmp_path, serve, elder_care(), family):
        (await family.is_asked()).set_result(None)
        await family.hears()


async def test_what_was_told_is_not_told_again_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    async with home(tmp_path, serve, elder_care(), family):
        (await family.is_asked()).set_result(None)
        await family.hears()
    async with home(tmp_path, serve, elder_care(), family) as box:
        box.wires.says(DOOR, True)
        (await family.is_asked()).set_result(True)
    assert family.asked.empty()
    assert family.told.empty()


async def test_nothing_is_asked_while_nobody_is_at_home(tmp_path: Path, serve: Serve) -> None:
    family = Family()
    away = EntityId("home.care_away")
    async with home(tmp_path, serve, elder_care(quiet_s="0.5"), family) as box:
        await box.order(away, True)
        box.wires.says(MOTION, True)
        await box.order(away, False)
        box.wires.says(MOTION, False)
        (await family.is_asked()).set_result(True)
    assert family.asked.empty()
