import asyncio
import json
from pathlib import Path

import pytest

from gateway.iot.commands_model import CommandState
from gateway.iot.entity import Capability, EntityId, Reading, Value
from gateway.iot.household import Helper, HelperKind
from gateway.iot.household_link import HelperUnknownError, HouseholdLink
from gateway.iot.rules_file import decode_helper, document_of, parse_file
from gateway.mqtt import Message
from gateway.schema import SchemaError
from gateway.store import Store
from tests.conftest import Serve
from tests.iot.house import BOX, COAP_CLIENT, house, mosquitto, output_of
from tests.iot.test_rule_sets import TABLES

ALARM = EntityId("home.alarm")
FILE = """
helpers:
  - {id: alarm, kind: alarm, name: 家里安防}
  - {id: guests, kind: number, minimum: 0, maximum: 10}
  - {id: mood, kind: select, choices: [calm, party]}
  - {id: holiday, kind: switch}
"""


@pytest.mark.parametrize(
    ("helper", "problem"),
    [
        ("{id: a b, kind: switch}", "helpers[0].id: must be 1 to 64 letters"),
        ("{id: a, kind: lamp}", "helpers[0].kind: invalid enum value"),
        ("{id: a, kind: select}", "helpers[0].choices: are needed by a select"),
        ("{id: a, kind: switch, choices: [x]}", "helpers[0].choices: are needed by a select"),
        ("{id: a, kind: select, choices: [x, x]}", "helpers[0].choices: must be at most 32 different"),
        ("{id: a, kind: number, minimum: 0}", "helpers[0].maximum: is needed by a number"),
        ("{id: a, kind: number, minimum: 5, maximum: 5}", "helpers[0].maximum: must be greater"),
        ("{id: a, kind: switch}, {id: a, kind: alarm}", "helpers[1].id: a is there twice"),
        (", ".join(f"{{id: h{i}, kind: switch}}" for i in range(101)), "helpers: has more than 100 entries"),
    ],
)
def test_a_fault_is_named_by_its_path(helper: str, problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        parse_file(f"helpers: [{helper}]".encode())
    assert any(str(each).startswith(problem) for each in refused.value.problems), str(refused.value)


def test_a_helper_is_given_back_in_its_own_words() -> None:
    for helper in parse_file(FILE.encode()).helpers:
        assert decode_helper(document_of(helper)) == helper


async def test_what_the_household_said_is_known_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(FILE)
    wanted: dict[str, Value] = {"alarm": "triggered", "guests": 3.0, "mood": "party", "holiday": True}

    async def shown(link: HouseholdLink) -> dict[str, Value | None]:
        with link.events.subscribe() as events:
            async with serve(link):
                found = [await anext(events) for _ in range(2 * len(wanted))]
        said = [each for each in found if isinstance(each, Reading)]
        return {each.entity.removeprefix("home."): each.value for each in said}

    async with serve(store := Store(tmp_path / "gateway.db", TABLES)):
        link = HouseholdLink(file, store)
        assert await shown(link) == {"alarm": "disarmed", "guests": 0.0, "mood": "calm", "holiday": False}
        for helper, value in wanted.items():
            await link.command(EntityId(f"home.{helper}"), value)
    async with serve(store := Store(tmp_path / "gateway.db", TABLES)):
        assert await shown(HouseholdLink(file, store)) == wanted


async def test_a_helper_that_was_forgotten_begins_anew(tmp_path: Path, serve: Serve) -> None:
    async with serve(store := Store(tmp_path / "gateway.db", TABLES)):
        link = HouseholdLink(None, store)
        async with serve(link):
            guests = Helper(id="guests", kind=HelperKind.NUMBER, minimum=0, maximum=10)
            await link.put(guests)
            await link.command(guests.entity.id, 3.0)
            await link.delete("guests")
            with pytest.raises(HelperUnknownError):
                await link.delete("guests")
            with link.events.subscribe() as events:
                await link.put(guests)
                assert (await anext(events)).entity == guests.entity
                reading = await anext(events)
            assert getattr(reading, "value", None) == 0


@pytest.mark.slow
async def test_the_alarm_is_there_for_mqtt_tools_and_coap_clients(tmp_path: Path, serve: Serve) -> None:
    topic = f"gateway/{BOX}/home_alarm"
    config = "homeassistant/alarm_control_panel/gateway_box-1/home_alarm/config"
    async with (
        mosquitto(tmp_path) as port,
        house(tmp_path, serve, port, rules_text=FILE.encode()) as home,
        home.listening("#") as listener,
    ):
        announced = json.loads(await listener.next(config))
        assert announced["payload_arm_away"] == "armed_away"
        assert announced["supported_features"] == ["arm_home", "arm_away"]
        await listener.until(f"{topic}/state", "disarmed")
        with home.commands.changes.subscribe() as told:
            await home.client.publish(Message(f"{topic}/set", b"armed_away"))
            async with asyncio.timeout(10):
                while (command := await anext(told)).state is not CommandState.CONFIRMED:
                    pass
        assert command.entity == ALARM
        await listener.until(f"{topic}/state", "armed_away")
        text, _ = await output_of([COAP_CLIENT, "-m", "get", "-A", "0", f"{home.coap}/e/home.alarm"])
        assert text.strip() == "armed_away"
        assert home.registry.states[ALARM].entity.capability is Capability.ALARM
