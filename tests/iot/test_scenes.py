import asyncio
import threading
from pathlib import Path

import pytest

from gateway.iot.entity import EntityId
from gateway.iot.rules_file import decode_rule, decode_scene, document_of, parse_file
from gateway.iot.scenes import SceneRefusedError, SceneUnknownError
from gateway.iot.scenes_model import Scene, SceneCommand
from gateway.schema import SchemaError
from tests.conftest import Serve
from tests.iot.test_rule_sets import SIREN, Family, home

EVENING = """
scenes:
  - id: evening
    name: {zh: 晚上, en: Evening}
    do:
      - {entity: mqtt.siren, value: true}
      - {entity: mqtt.gone, value: true}
  - id: nothing
    name: Nothing
    do:
      - {entity: mqtt.gone, value: true}
"""


@pytest.mark.parametrize(
    ("scene", "problem"),
    [
        ("{id: a, name: '', do: [{entity: e, value: 1}]}", "scenes[0].name: must have 1 to 64"),
        ("{id: a, name: A, do: []}", "scenes[0].do: must have 1 to 64 commands"),
        ("{id: a, name: A, do: [{entity: e, value: 1}, {entity: e, value: 2}]}", "scenes[0].do: orders the"),
        ("{id: a, name: A, do: [{entity: e}]}", "scenes[0].do[0].value: is required"),
    ],
)
def test_a_fault_is_named_by_its_path(scene: str, problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        parse_file(f"scenes: [{scene}]".encode())
    assert any(str(each).startswith(problem) for each in refused.value.problems), str(refused.value)


@pytest.mark.parametrize(
    ("do", "problem"),
    [
        ("{ask: {text: hm, after_s: 5}}", "rules[0].do[0].ask: at least one of yes, no, otherwise"),
        ("{ask: {text: hm, after_s: 0, yes: [{scene: a}]}}", "rules[0].do[0].ask.after_s: must be"),
        ("{ask: {text: hm, after_s: 5, no: [{scen: a}]}}", "rules[0].do[0].ask.no[0].scen: is not"),
        (
            (
                "{ask: {text: a, after_s: 5, yes: [{ask: {text: b, after_s: 5, no: [{ask: {text: c,"
                " after_s: 5, otherwise: [{scene: a}]}}]}}]}}"
            ),
            "rules[0].do[0].ask: questions may be 2 deep at most",
        ),
    ],
)
def test_a_question_has_answers_and_bounds(do: str, problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        parse_file(f"rules: [{{id: a, when: {{key: red}}, do: [{do}]}}]".encode())
    assert any(str(each).startswith(problem) for each in refused.value.problems), str(refused.value)


def test_a_question_is_given_back_in_its_own_words() -> None:
    (rule,) = parse_file(
        b"rules: [{id: a, when: {quiet: [tv.keys], for_s: 5, between: {from: '07:00', to: '22:00'}}, "
        b"if: [{between: {from: '07:00', to: '22:00'}}], "
        b"do: [{ask: {text: hm, after_s: 5, yes: [{scene: a}], no: [{notify: {text: bad}}]}}]}]"
    ).rules
    assert decode_rule(document_of(rule)) == rule
    assert rule.do[0].ask is not None
    assert rule.do[0].ask.yes[0].scene == "a"


async def test_each_device_of_a_scene_is_told_of_for_itself(tmp_path: Path, serve: Serve) -> None:
    async with home(tmp_path, serve, EVENING, Family()) as box:
        siren, gone = await box.scenes.activate("evening")
        assert siren.command is not None
        assert (siren.entity, siren.code) == (SIREN, None)
        assert (gone.command, gone.code) == (None, "IOT-203")
        await box.becomes(SIREN, True)
        with pytest.raises(SceneRefusedError, match="IOT-203"):
            box.scenes.tell("nothing")
        with pytest.raises(SceneUnknownError):
            await box.scenes.activate("morning")


async def test_what_a_rule_tells_a_scene_does_not_wait_for_the_disk(tmp_path: Path, serve: Serve) -> None:
    let_go = threading.Event()
    async with home(tmp_path, serve, EVENING, Family()) as box:
        holding = asyncio.create_task(box.store.write(lambda _: let_go.wait(10)))
        box.scenes.tell("evening")
        await box.becomes(SIREN, True)
        assert not holding.done()
        let_go.set()
        assert await holding


async def test_a_scene_that_was_put_counts_until_the_file_says_something_new(
    tmp_path: Path, serve: Serve
) -> None:
    own = Scene(id="evening", name="Mine", do=(SceneCommand(entity=EntityId("mqtt.siren"), value=False),))
    async with home(tmp_path, serve, EVENING, Family()) as box:
        await box.scenes.put(own)
        await box.scenes.delete("nothing")
    async with home(tmp_path, serve, EVENING, Family()) as box:
        assert box.scenes.scenes == (own,)
    async with home(tmp_path, serve, EVENING.replace("Evening", "Late"), Family()) as box:
        assert box.scenes.get("evening").by_locale["en"] == "Late"


async def test_a_rule_activates_a_scene(tmp_path: Path, serve: Serve) -> None:
    rules = EVENING + "rules: [{id: r, when: {key: red}, do: [{scene: evening}]}]"
    async with home(tmp_path, serve, rules, Family()) as box:
        box.keys.publish("red")
        await box.becomes(SIREN, True)


def test_a_scene_is_given_back_in_its_own_words() -> None:
    for scene in parse_file(EVENING.encode()).scenes:
        assert decode_scene(document_of(scene)) == scene
