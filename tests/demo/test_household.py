import socket
from pathlib import Path

import pytest

from gateway import config
from headend.demo import household
from headend.demo.household import Ports, PortTakenError


def test_two_ports_that_others_hold_are_replaced_and_said() -> None:
    ports = Ports(page=8080, apps=8081, origin=8082, broker=40_001, coap=5683)

    assert ports.moved == (("MQTT", 1883, 40_001),)


def test_a_taken_port_for_the_page_is_refused_with_a_way_out() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]

        with pytest.raises(PortTakenError, match=f"port {taken} is used") as refused:
            household.choose_ports(taken)

    assert "--port" in refused.value.hint


def test_the_box_accepts_its_configuration(tmp_path: Path) -> None:
    ports = Ports(page=8080, apps=8081, origin=8082, broker=1883, coap=5683)

    file = household.write_configuration(tmp_path, ports, tmp_path / "1.root.json")

    read = config.load(file)
    assert read.media.line_up == "repository"
    assert read.updates.repository == "http://127.0.0.1:8082/repo/"
    assert read.broker.devices == ("lamp", "door", "airconditioner")


def test_rules_that_were_changed_by_hand_stay(tmp_path: Path) -> None:
    ports = Ports(page=8080, apps=8081, origin=8082, broker=1883, coap=5683)
    (tmp_path / "rules.yaml").write_text("rules: []\n")

    household.write_configuration(tmp_path, ports, tmp_path / "1.root.json")

    assert (tmp_path / "rules.yaml").read_text() == "rules: []\n"
