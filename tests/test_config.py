"""The whole of ``gateway.yaml``: what is taken, and how every fault is named."""

import re
from pathlib import Path

import pytest

from gateway.config import ConfigFileError, GatewayConfig, load, problems_of
from gateway.schema import SchemaError

ROOT = Path(__file__).parents[1]
EVERY_FIXED_KEY = """
box: {id: box-1, area: "500236104000"}
broker: {mode: managed}
media:
  line_up: /etc/gateway/lineup.m3u
  guide: /etc/gateway/guide.xml.gz
  player: vlc
ui: {port: 8080, host: 127.0.0.1}
updates: {repository: "https://updates.example/repo/", check_every_s: 21600}
iot:
  rules: /etc/gateway/rules.yaml
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "gateway.yaml"
    file.write_text(text)
    return file


def test_the_keys_that_others_rely_on_are_taken(tmp_path: Path) -> None:
    config = load(written(tmp_path, EVERY_FIXED_KEY))

    assert config.box.area == "500236104000"
    assert config.iot.rules == Path("/etc/gateway/rules.yaml")
    assert config.updates.check_every_s == 21600


@pytest.mark.parametrize("text", ["", "{}", "# nothing yet\n"], ids=["empty", "no keys", "a comment"])
def test_an_empty_file_is_a_working_box(tmp_path: Path, text: str) -> None:
    assert load(written(tmp_path, text)) == GatewayConfig()


def test_the_documented_example_is_taken(tmp_path: Path) -> None:
    document = (ROOT / "docs/configuration.md").read_text()
    found = re.search(r"```yaml\n(.*?)```", document, re.DOTALL)
    assert found is not None
    assert load(written(tmp_path, found[1])).board.name == "rk3566"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("ui: {prot: 80}", "ui.prot: is not a known key; did you mean port?"),
        ("ui: {port: many}", "ui.port: expected int, got str"),
        ("ui: {keys: {volume_step_percent: 99}}", "ui.keys.volume_step_percent: 99 is outside 1..50"),
        ("box: {area: 12}", "box.area: expected str, got int"),
        ("media: {player: cinema}", "media.player: invalid enum value 'cinema'"),
        ("broker: {mode: external, url: 'mqtt://lan/x'}", "broker.url: is not of the form mqtt://"),
        ("broker: {mode: external, url: 'mqtt://u:secret@h:x'}", "broker.url: is not of the form mqtt://"),
        ("board: {name: toaster}", "board.name: no board 'toaster'; known are"),
        ("iot: {rules: /nowhere/rules.yaml}", "iot.rules: /nowhere/rules.yaml: No such file"),
        ("[]", "expected keys and values, got list"),
    ],
)
def test_a_fault_is_named_by_its_dotted_path(tmp_path: Path, text: str, problem: str) -> None:
    (found,) = problems_of(written(tmp_path, text))
    assert str(found).startswith(problem)
    assert "secret" not in str(found)


def test_every_fault_of_the_rules_file_is_named(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{id: hot, when: {entity: a, abov: 1}, do: []}, {id: cold}]")

    found = problems_of(written(tmp_path, f"iot: {{rules: {rules}}}"))

    assert [str(problem).split(" is ")[0] for problem in found] == [
        "iot.rules: rules[0].when.abov:",
        "iot.rules: rules[1].when:",
        "iot.rules: rules[1].do:",
    ]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SchemaError) as refusal:
        load(written(tmp_path, "box: {id: ''}\nui: {port: -1}\nmedai: {}\n"))
    assert [problem.path for problem in refusal.value.problems] == ["medai", "box.id", "ui.port"]


def test_a_missing_file_is_said_with_its_path(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileError, match=r"gateway.yaml: No such file"):
        load(tmp_path / "gateway.yaml")
