"""Home Assistant as a household would set it up: MQTT added, and nothing else unless it is said.

One rule: it comes from its own environment, with what it would fetch at its
first start already there.  In the bench it is given the same devices and the
same rule as the others; tests meet it as a household's second hub.
"""

import json
from pathlib import Path

VERSION = "2024.3.3"
ENVIRONMENT = Path(__file__).parents[1] / "build/home-assistant"
_CONFIGURATION = """\
http:
  server_host: 127.0.0.1
  server_port: {page}
logger:
  default: warning
"""
RULE = """\
automation:
  - id: hot
    alias: hot
    mode: parallel
    max: 10000
    trigger:
      - platform: numeric_state
        entity_id: sensor.bench_temp
        above: 25
    action:
      - service: light.turn_on
        target: {entity_id: light.bench_light}
"""
"""The bench's; it works in parallel without a bound: in the other modes it passes over crossings
that come while it still waits for the broker."""


def write(folder: Path, *, broker: int, page: int, more: str = "") -> None:
    """Write its configuration into `folder`, as if MQTT had been added by its page.

    Args:
        folder: Where it keeps what it knows.
        broker: Port of the broker.
        page: Port of its own page and API.
        more: YAML of what it shall have besides.
    """
    kept = folder / ".storage"
    kept.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.yaml").write_text(_CONFIGURATION.format(page=page) + more)
    entry = {
        "entry_id": "mqtt",
        "version": 1,
        "minor_version": 1,
        "domain": "mqtt",
        "title": "mosquitto",
        "data": {"broker": "127.0.0.1", "port": broker, "discovery": True},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
    }
    document = {
        "version": 1,
        "minor_version": 1,
        "key": "core.config_entries",
        "data": {"entries": [entry]},
    }
    (kept / "core.config_entries").write_text(json.dumps(document))


def argv(folder: Path) -> list[str | Path]:
    """Return how it is started; it fetches nothing, and keeps what Python compiled for its next start."""
    hass = ENVIRONMENT / "bin/hass"
    kept = ["env", "-u", "PYTHONDONTWRITEBYTECODE"]
    return [*kept, hass, "--config", folder, "--skip-pip", "--log-file", folder / "hass.log"]
