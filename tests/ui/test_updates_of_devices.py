from gateway.iot.firmware_attempt import Stage
from gateway.iot.firmware_facts import FirmwareRecord
from tests.ui.conftest import Box
from tests.ui.test_api import ask


async def test_a_device_that_failed_is_among_the_updates_with_its_reason(box: Box) -> None:
    box.living.workshop.records = [
        FirmwareRecord(
            id="coap.lamp",
            installed="1.0",
            available="2.0",
            stage=Stage.FAILED,
            code="IOT-801",
            reason="the device says integrity failed",
        )
    ]
    [found] = [update for update in await ask(box, "GET", "updates") if update["kind"] == "firmware"]
    assert found == {
        "kind": "firmware",
        "id": "coap.lamp",
        "installed": "1.0",
        "available": "2.0",
        "refused_code": "IOT-801",
        "refused_reason": "the device says integrity failed",
        "checked_at": None,
        "stage": "failed",
    }


async def test_a_person_tries_again_once_and_is_told_when_there_is_nothing(box: Box) -> None:
    box.living.workshop.failed = ["coap.lamp", "coap.plug"]
    await ask(box, "POST", "updates/firmware/coap.lamp/retry", status=204)
    await ask(box, "POST", "updates/firmware/coap.plug/skip", status=204)
    refused = await ask(box, "POST", "updates/firmware/coap.lamp/retry", status=404)
    assert (refused["code"], box.living.workshop.failed) == ("IOT-804", [])


async def test_looking_for_updates_looks_for_firmware_too(box: Box) -> None:
    await ask(box, "POST", "updates/check", status=202)
    assert box.living.workshop.looked == 1
