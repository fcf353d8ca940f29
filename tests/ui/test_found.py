"""What the network speaks of, as the television and the installer see it."""

from gateway.iot.found import Heard
from tests.ui.conftest import Box

COAP, HTTP = "_coap._udp.local.", "_http._tcp.local."


async def test_a_device_on_the_network_is_shown_until_it_leaves(box: Box) -> None:
    found = box.living.found
    for instance, service, port in (("cellar", COAP, 5683), ("shellyplus1-a8032abe54dc", HTTP, 80)):
        facts = {b"app": b"Plus1"} if service == HTTP else {}
        found.hear(
            Heard(service=service, instance=instance, addresses=("192.0.2.7",), port=port, facts=facts)
        )
    async with box.client.get(box.at("iot/found")) as answer:
        assert answer.status == 200
        listed = await answer.json()
    assert all(one.pop("seen_at").endswith("Z") for one in listed)
    assert listed == [
        {"name": "cellar", "kind": "coap", "address": "192.0.2.7", "port": 5683, "model": ""},
        {
            "name": "shellyplus1-a8032abe54dc",
            "kind": "shelly",
            "address": "192.0.2.7",
            "port": 80,
            "model": "Plus1",
        },
    ]

    found.clear()
    async with box.client.get(box.at("iot/found")) as answer:
        assert await answer.json() == []
