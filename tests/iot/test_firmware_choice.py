"""Who gets which image, and what the next step over object 5 is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.iot import firmware_attempt
from gateway.iot.entity import DeviceId
from gateway.iot.firmware_attempt import Attempt, Attempts, FirmwareFailedError, NoAttemptError, Stage
from gateway.iot.firmware_choice import Candidate, Choice, choose
from gateway.iot.firmware_facts import FirmwareConfig
from gateway.iot.firmware_steps import Step, next_step, pushes
from gateway.iot.lwm2m_firmware import (
    FirmwareDelivery,
    FirmwareObject,
    FirmwareProtocol,
    FirmwareResult,
    FirmwareState,
)
from gateway.schema import FieldError
from gateway.store import Store
from gateway.trust.firmware import SignedFirmware, image_path, manifest_path
from gateway.trust.offers import FirmwareOffer
from tests.conftest import Serve

NOON = datetime(2026, 7, 6, 12, tzinfo=UTC)
LAMP = Candidate(
    device=DeviceId("coap.a"), vendor="ACME", model="L1", hardware="B", version="1.0", link="lwm2m"
)
PLUG = replace(LAMP, device=DeviceId("coap.b"))


def offer(sequence: int, version: str, **fields: object) -> FirmwareOffer:
    manifest = SignedFirmware(
        vendor="ACME",
        model="L1",
        hardware=["B"],
        sequence=sequence,
        version=version,
        size=5,
        sha256=f"{sequence:064x}",
        expires=NOON + timedelta(days=1),
        link="lwm2m",
        image=image_path("ACME", "L1", sequence),
    )
    manifest = msgspec.structs.replace(manifest, **fields)
    return FirmwareOffer(path=manifest_path("ACME", "L1", sequence), manifest=manifest)


TWO = offer(2, "2.0")


def attempt(candidate: Candidate, stage: Stage, *, healthy: bool = False, of: FirmwareOffer = TWO) -> Attempt:
    return Attempt(
        device=candidate.device,
        path=of.path,
        manifest=of.manifest,
        stage=stage,
        healthy=healthy,
        started_at=NOON,
        changed_at=NOON,
    )


def started(choice: Choice) -> tuple[str, str] | None:
    return (choice.start[0].device, choice.start[1].manifest.version) if choice.start else None


def chosen(candidate: Candidate, *offers: FirmwareOffer) -> tuple[tuple[str, str] | None, str | None]:
    choice = choose([candidate], offers, {}, NOON)
    why = choice.refused.get(candidate.device)
    return started(choice), why.code if why else None


def test_the_newest_fitting_image_is_chosen_by_its_sequence() -> None:
    assert chosen(LAMP, offer(3, "1.9"), TWO) == (("coap.a", "1.9"), None)


@pytest.mark.parametrize(
    ("candidate", "offered", "code"),
    [
        (replace(LAMP, vendor="acme"), TWO, None),
        (replace(LAMP, model="L10"), TWO, None),
        (replace(LAMP, link="tasmota"), TWO, None),
        (replace(LAMP, hardware="C"), TWO, "TRUST-110"),
        (replace(LAMP, hardware=""), TWO, "TRUST-110"),
        (replace(LAMP, version="2.0"), TWO, None),
        (replace(LAMP, version="2.0.1"), TWO, "TRUST-104"),
        (LAMP, offer(2, "2.0", expires=NOON), "TRUST-102"),
        (LAMP, offer(2, "2.0", minimum_installed="1.1"), "TRUST-111"),
        (replace(LAMP, version="old"), offer(2, "2.0", minimum_installed="1.1"), "TRUST-111"),
    ],
    ids=str,
)
def test_nobody_gets_what_is_not_for_them(
    candidate: Candidate, offered: FirmwareOffer, code: str | None
) -> None:
    assert chosen(candidate, offered) == (None, code)


def test_a_device_that_is_too_old_takes_the_step_between() -> None:
    assert chosen(LAMP, TWO, offer(3, "3.0", minimum_installed="2.0")) == (("coap.a", "2.0"), "TRUST-111")


@pytest.mark.parametrize(
    ("first", "healthy", "second", "code"),
    [
        (Stage.DOWNLOADING, False, None, None),
        (Stage.UPDATED, False, None, None),
        (Stage.UPDATED, True, ("coap.b", "2.0"), None),
        (Stage.FAILED, False, None, "IOT-803"),
        (Stage.SKIPPED, False, ("coap.b", "2.0"), None),
    ],
)
def test_the_others_wait_for_the_first_one(
    first: Stage, healthy: bool, second: tuple[str, str] | None, code: str | None
) -> None:
    runs = "2.0" if first is Stage.UPDATED else "1.0"
    candidates = [replace(LAMP, version=runs), PLUG]
    choice = choose(candidates, [TWO], {LAMP.device: attempt(LAMP, first, healthy=healthy)}, NOON)
    why = choice.refused.get(PLUG.device)
    if first is Stage.DOWNLOADING:
        # The service does not ask while one is under way; the second device is not begun in any case.
        assert choice.start is None or choice.start[0].device == LAMP.device
    else:
        assert started(choice) == second
    assert (why.code if why else None) == code


def test_what_failed_is_not_tried_again_but_the_next_image_is() -> None:
    failed = {LAMP.device: attempt(LAMP, Stage.FAILED)}
    assert started(choose([LAMP], [TWO], failed, NOON)) is None
    assert started(choose([LAMP], [TWO, offer(3, "3.0")], failed, NOON)) == ("coap.a", "3.0")


async def test_a_sequence_never_goes_back_also_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    store = Store(tmp_path / "gateway.db", {"firmware": firmware_attempt.MIGRATIONS})
    async with serve(store):
        attempts = Attempts(store)
        await attempts.load()
        assert (await attempts.admit([offer(1, "1.0"), TWO]))[1] == {}
        again = Attempts(store)
        await again.load()
        good, refused = await again.admit([offer(1, "1.0")])
        assert (good, [why.code for why in refused.values()]) == ([], ["TRUST-104"])
        good, refused = await again.admit([offer(2, "2.0", sha256="f" * 64)])
        assert (good, [why.code for why in refused.values()]) == ([], ["TRUST-103"])
        # Another revision has a history of its own.
        good, refused = await again.admit([offer(1, "1.0", hardware=["C"])])
        assert (len(good), refused) == (1, {})


async def test_what_was_under_way_is_known_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    store = Store(tmp_path / "gateway.db", {"firmware": firmware_attempt.MIGRATIONS})
    async with serve(store):
        attempts = Attempts(store)
        under_way = replace(attempt(LAMP, Stage.DOWNLOADING), token="secret", block=4096, tries=2)
        await attempts.keep(under_way)
        again = Attempts(store)
        await again.load()
        assert again.active == under_way
        with pytest.raises(NoAttemptError):
            await again.forget(LAMP.device)
        await again.keep(under_way.now(Stage.FAILED, FirmwareFailedError("no")))
        await again.forget(LAMP.device)
        assert again.all == {}


IS, RESULT = FirmwareState, FirmwareResult


@pytest.mark.parametrize(
    ("stage", "state", "result", "version", "step"),
    [
        (Stage.IDLE, IS.IDLE, RESULT.INITIAL, "1", Step.DELIVER),
        (Stage.IDLE, IS.IDLE, RESULT.UPDATED, "2", Step.DONE),
        (Stage.IDLE, IS.IDLE, RESULT.INTEGRITY_FAILED, "1", Step.RESET),
        (Stage.IDLE, IS.DOWNLOADED, RESULT.INITIAL, "1", Step.RESET),
        (Stage.IDLE, IS.UPDATING, RESULT.INITIAL, "1", Step.WAIT),
        (Stage.DOWNLOADING, IS.DOWNLOADING, RESULT.INITIAL, "1", Step.WAIT),
        (Stage.DOWNLOADING, IS.DOWNLOADED, RESULT.INITIAL, "1", Step.EXECUTE),
        (Stage.DOWNLOADING, IS.IDLE, RESULT.INITIAL, "1", Step.DELIVER),
        (Stage.DOWNLOADING, IS.IDLE, RESULT.CONNECTION_LOST, "1", Step.DELIVER),
        (Stage.UPDATING, IS.DOWNLOADED, RESULT.INITIAL, "1", Step.EXECUTE),
        (Stage.UPDATING, IS.DOWNLOADED, RESULT.DEFERRED, "1", Step.WAIT),
        (Stage.UPDATING, IS.UPDATING, RESULT.INITIAL, "1", Step.WAIT),
        (Stage.UPDATING, IS.IDLE, RESULT.UPDATED, "2", Step.DONE),
        (Stage.UPDATING, IS.IDLE, RESULT.INITIAL, "1", Step.DELIVER),
        (Stage.UPDATING, None, None, "1", Step.WAIT),
        (Stage.UPDATING, None, None, "2", Step.DONE),
    ],
)
def test_the_next_step_follows_from_what_the_device_says(
    stage: Stage,
    state: FirmwareState | None,
    result: FirmwareResult | None,
    version: str,
    step: Step,
) -> None:
    seen = FirmwareObject(state=state, result=result)
    assert next_step(stage, seen, version, "2", pushes=False) is step


@pytest.mark.parametrize(
    ("stage", "state", "result"),
    [
        (Stage.DOWNLOADING, IS.IDLE, RESULT.INTEGRITY_FAILED),
        (Stage.UPDATING, IS.IDLE, RESULT.UPDATE_FAILED),
        (Stage.UPDATING, IS.IDLE, RESULT.UPDATED),
        (Stage.IDLE, None, None),
    ],
)
def test_a_device_that_fails_is_left_alone(
    stage: Stage, state: FirmwareState | None, result: FirmwareResult | None
) -> None:
    with pytest.raises(FirmwareFailedError):
        next_step(stage, FirmwareObject(state=state, result=result), "1", "2", pushes=True)


def test_an_image_of_somebody_else_is_never_executed() -> None:
    seen = FirmwareObject(state=IS.DOWNLOADED, result=RESULT.INITIAL, package_version="6.6")
    assert next_step(Stage.DOWNLOADING, seen, "1", "2", pushes=False) is Step.RESET


def test_how_an_image_gets_there_is_the_devices_word() -> None:
    coap, http = frozenset({FirmwareProtocol.COAP}), frozenset({FirmwareProtocol.HTTP})
    both, pull, push = FirmwareDelivery.BOTH, FirmwareDelivery.PULL, FirmwareDelivery.PUSH
    assert not pushes(FirmwareObject(delivery=both, protocols=coap))
    assert pushes(FirmwareObject(delivery=both, protocols=http))
    assert pushes(FirmwareObject(delivery=push, protocols=coap))
    assert pushes(FirmwareObject())
    assert not pushes(FirmwareObject(delivery=pull))
    with pytest.raises(FirmwareFailedError):
        pushes(FirmwareObject(delivery=pull, protocols=http))


def test_updates_begin_at_night_even_over_midnight() -> None:
    assert [hour for hour in range(24) if FirmwareConfig().allows(hour)] == [2, 3, 4]
    late = FirmwareConfig(from_hour=23, until_hour=2)
    assert [hour for hour in range(24) if late.allows(hour)] == [0, 1, 23]
    assert all(FirmwareConfig(from_hour=0, until_hour=24).allows(hour) for hour in range(24))
    with pytest.raises(FieldError):
        FirmwareConfig(from_hour=25)
