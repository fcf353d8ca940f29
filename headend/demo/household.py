"""The configuration of the demo's box: ports, addresses, rules.

One rule: everything is written below the state folder and nothing outside it
is read, so that two demos with two state folders and two ports live side by side.
"""

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from gateway.errors import GatewayError

HOST = "127.0.0.1"
BROKER_PORT = 1883
COAP_PORT = 5683
MQTT_DEVICES = ("lamp", "door", "airconditioner")
COAP_DEVICES = ("thermometer", "bloodpressure")

_RULES = """\
# The demo's rules. They are read anew when this file changes. 演示规则，改动后自动生效。
rules:
  - id: hot
    when: {entity: coap.thermometer.3303.0.5700, above: 27, hysteresis: 0.5}
    do:
      - command: {entity: mqtt.demo_lamp, value: true}
"""


class PortTakenError(GatewayError):
    """A port the demo needs belongs to another program."""

    code: ClassVar[str] = "DEMO-104"
    hint = "Stop the other program, or choose other ports with --port. 请用 --port 换一组端口。"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where everything listens, on this machine only."""

    page: int
    apps: int
    origin: int
    broker: int
    coap: int

    @property
    def moved(self) -> tuple[tuple[str, int, int], ...]:
        """Name, usual port and chosen port of what could not have its usual one."""
        chosen = (("MQTT", BROKER_PORT, self.broker), ("CoAP", COAP_PORT, self.coap))
        return tuple(entry for entry in chosen if entry[1] != entry[2])


def choose_ports(page: int) -> Ports:
    """Return the ports to use: `page` and the two after it, MQTT's and CoAP's own or free ones.

    Raises:
        PortTakenError: one of the first three is taken.
    """
    for port in range(page, page + 3):
        if not _is_free(port, socket.SOCK_STREAM):
            raise PortTakenError(f"port {port} is used by another program")
    broker = BROKER_PORT if _is_free(BROKER_PORT, socket.SOCK_STREAM) else _free(socket.SOCK_STREAM)
    coap = COAP_PORT if _is_free(COAP_PORT, socket.SOCK_DGRAM) else _free(socket.SOCK_DGRAM)
    return Ports(page, page + 1, page + 2, broker, coap)


def write_configuration(folder: Path, ports: Ports, root_of_trust: Path) -> Path:
    """Write ``gateway.yaml`` and, if there is none, ``rules.yaml`` into `folder`; return the former."""
    rules = folder / "rules.yaml"
    if not rules.exists():
        rules.write_text(_RULES, encoding="utf-8")
    origin = f"http://{HOST}:{ports.origin}"
    configuration = {
        "box": {"id": "demo", "area": "500236104000"},
        "broker": {
            "mode": "managed",
            "port": ports.broker,
            # On this machine only, and beside any other demo.
            "tls_host": HOST,
            "tls_port": 0,
            "devices": list(MQTT_DEVICES),
        },
        "media": {
            "line_up": "repository",
            "line_up_reload": {"signed_every_s": 60},
            "guide": f"{origin}/guide.xml.gz",
        },
        "ui": {"port": ports.page, "host": HOST},
        "apps": {"port": ports.apps, "host": HOST},
        "updates": {
            "repository": f"{origin}/repo/",
            "root": str(root_of_trust.resolve()),
            "check_every_s": 60,
        },
        "iot": {
            "rules": str(rules.resolve()),
            # The demo's own devices need not ask; any other waits for OK on the remote.
            "coap": {"port": ports.coap, "admitted": list(COAP_DEVICES)},
        },
    }
    file = folder / "gateway.yaml"
    file.write_bytes(b"# Written anew by every start of the demo.\n" + msgspec.yaml.encode(configuration))
    return file


def _is_free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            # As servers do, so that connections of a demo that just ended do not count.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError):
            return False
        return True


def _free(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
