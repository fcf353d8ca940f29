"""The order in which devices get their images, with a way that needs no wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.iot import firmware_attempt
from gateway.iot.entity import DeviceId
from gateway.iot.firmware import Firmware
from gateway.iot.firmware_attempt import Attempt, FirmwareFailedError, NoAttemptError, Stage
from gateway.iot.firmware_choice import Candidate
from gateway.iot.firmware_delivery import Carrying
from gateway.iot.firmware_facts import FirmwareConfig, FirmwareRecord, Peace, Supply
from gateway.pubsub import Publisher
from gateway.store import Store
from gateway.trust.firmware import Kind, SignedFirmware, image_path, manifest_path
from gateway.trust.offers import FirmwareListing, FirmwareOffer
from tests.conftest import Serve

A, B = DeviceId("coap.a"), DeviceId("coap.b")
MANIFEST = SignedFirmware(
    vendor="ACME",
    model="L1",
    hardware=["B"],
    sequence=1,
    version="2.0",
    size=5,
    sha256="0" * 64,
    expires=datetime(2099, 1, 1, tzinfo=UTC),
    link="lwm2m",
    image=image_path("ACME", "L1", 1),
)
ANY_HOUR = FirmwareConfig(from_hour=0, until_hour=0, canary_s=0, survey_s=0.02, poll_s=0.05)


@dataclass
class Dummy:
    """A way and a source: devices become what they are told, unless they are broken.

    Attributes:
        runs: The version of each device.
        broken: Devices that take nothing.
        carried: Who was brought an image, in order.
        stuck: Whether it waits for ever in the middle.
    """

    runs: dict[DeviceId, str]
    broken: set[DeviceId] = field(default_factory=set)
    carried: list[DeviceId] = field(default_factory=list)
    stuck: bool = False
    settled: bool = False
    link: Kind = "lwm2m"

    async def survey(self) -> Sequence[Candidate]:
        return [
            Candidate(device=device, vendor="ACME", model="L1", hardware="B", version=version, link="lwm2m")
            for device, version in self.runs.items()
        ]

    def settle(self) -> None:
        self.settled = True

    async def carry(self, attempt: Attempt, carrying: Carrying) -> Attempt:
        self.carried.append(attempt.device)
        await carrying.cleared()
        await carrying.keep(attempt.now(Stage.DOWNLOADING))
        if self.stuck:
            await asyncio.Event().wait()
        if attempt.device in self.broken:
            raise FirmwareFailedError("the device says integrity failed")
        self.runs[attempt.device] = attempt.manifest.version
        return attempt.now(Stage.UPDATED)

    async def listing(self, kinds: Iterable[tuple[str, str]]) -> FirmwareListing:
        assert set(kinds) == {("ACME", "L1")}
        return FirmwareListing(offers=[FirmwareOffer(path=manifest_path("ACME", "L1", 1), manifest=MANIFEST)])

    async def image(self, path: str, manifest: SignedFirmware) -> bytes:
        assert path == manifest_path("ACME", "L1", manifest.sequence)
        return b"image"

    async def tidy(self, kept: Iterable[SignedFirmware]) -> None:
        assert tuple(kept) == ()


@asynccontextmanager
async def living(
    folder: Path,
    serve: Serve,
    dummy: Dummy,
    config: FirmwareConfig = ANY_HOUR,
    peace: Peace | None = None,
) -> AsyncIterator[Firmware]:
    """The service over `dummy` for the length of a block; what it remembers is in `folder`."""
    store = Store(folder / "gateway.db", {"firmware": firmware_attempt.MIGRATIONS})
    peace = peace or Peace(may_start=lambda: True, changes=())
    firmware = Firmware(config, Supply(source=dummy, check_every_s=60), store, [dummy], peace)
    async with serve(store), serve(firmware):
        yield firmware


async def until(
    firmware: Firmware, device: DeviceId, fits: Callable[[FirmwareRecord], bool]
) -> FirmwareRecord:
    """Return the record of `device` once it `fits`."""
    with firmware.changes.subscribe() as changes:
        async with asyncio.timeout(20):
            while True:
                found = [each for each in firmware.records if each.id == device and fits(each)]
                if found:
                    return found[0]
                await anext(changes)


async def test_the_second_device_follows_when_the_first_is_well(tmp_path: Path, serve: Serve) -> None:
    dummy = Dummy({A: "1.0", B: "1.0"})
    async with living(tmp_path, serve, dummy) as firmware:
        await until(firmware, B, lambda record: record.installed == "2.0")
    assert (dummy.carried, dummy.settled) == ([A, B], True)


async def test_the_second_device_waits_out_the_trial_of_the_first(tmp_path: Path, serve: Serve) -> None:
    dummy = Dummy({A: "1.0", B: "1.0"})
    async with living(tmp_path, serve, dummy, replace(ANY_HOUR, canary_s=3600)) as firmware:
        await until(firmware, A, lambda record: record.installed == "2.0")
        # It goes back to the old one meanwhile, as a device with a watchdog does.
        dummy.runs[A] = "1.0"
        await until(firmware, A, lambda record: record.code == "IOT-801")
        await until(firmware, B, lambda record: record.code == "IOT-803")
    assert dummy.carried == [A]


async def test_what_failed_waits_for_a_person(tmp_path: Path, serve: Serve) -> None:
    dummy = Dummy({A: "1.0", B: "1.0"}, broken={A})
    async with living(tmp_path, serve, dummy) as firmware:
        failed = await until(firmware, A, lambda record: record.stage is Stage.FAILED)
        await until(firmware, B, lambda record: record.code == "IOT-803")
        assert (failed.code, failed.available, dummy.carried) == ("IOT-801", "2.0", [A])
        with pytest.raises(NoAttemptError):
            await firmware.retry(B)
        await firmware.retry(A)
        await until(firmware, A, lambda record: record.stage is Stage.FAILED and len(dummy.carried) == 2)
        await firmware.skip(A)
        await until(firmware, B, lambda record: record.installed == "2.0")
    assert dummy.carried == [A, A, B]


async def test_outside_the_hours_only_a_person_begins(tmp_path: Path, serve: Serve) -> None:
    hour = datetime.now().astimezone().hour
    closed = replace(ANY_HOUR, from_hour=(hour + 2) % 24, until_hour=(hour + 3) % 24)
    dummy = Dummy({A: "1.0"}, broken={A})
    async with living(tmp_path, serve, dummy, ANY_HOUR) as firmware:
        await until(firmware, A, lambda record: record.stage is Stage.FAILED)
    dummy.broken.clear()
    dummy.runs[B] = "1.0"
    async with living(tmp_path, serve, dummy, closed) as firmware:
        await until(firmware, B, lambda record: record.code == "IOT-803")
        await firmware.retry(A)
        await until(firmware, A, lambda record: record.installed == "2.0")
    assert dummy.carried == [A, A]


async def test_an_alert_holds_what_is_under_way_until_it_is_over(tmp_path: Path, serve: Serve) -> None:
    alert, changes = [False], Publisher[object]()
    dummy = Dummy({A: "1.0"})
    peace = Peace(may_start=lambda: not alert[0], changes=(changes,))
    alert[0] = True
    async with living(tmp_path, serve, dummy, peace=peace) as firmware:
        await until(firmware, A, lambda record: record.available == "2.0")
        assert dummy.carried == []
        alert[0] = False
        changes.publish(None)
        await until(firmware, A, lambda record: record.installed == "2.0")


async def test_what_was_under_way_goes_on_first_after_a_restart(tmp_path: Path, serve: Serve) -> None:
    dummy = Dummy({B: "1.0"}, stuck=True)
    async with living(tmp_path, serve, dummy) as firmware:
        await until(firmware, B, lambda record: record.stage is Stage.DOWNLOADING)
    again = Dummy({A: "1.0", B: "1.0"})
    async with living(tmp_path, serve, again) as firmware:
        await until(firmware, A, lambda record: record.installed == "2.0")
    assert (again.carried, again.settled) == ([B, A], False)


async def test_a_device_that_never_comes_back_is_given_up(tmp_path: Path, serve: Serve) -> None:
    store = Store(tmp_path / "gateway.db", {"firmware": firmware_attempt.MIGRATIONS})
    long_ago = datetime(2026, 1, 1, tzinfo=UTC)
    async with serve(store):
        attempts = firmware_attempt.Attempts(store)
        await attempts.keep(
            Attempt(
                device=A,
                path=manifest_path("ACME", "L1", 1),
                manifest=MANIFEST,
                stage=Stage.UPDATING,
                started_at=long_ago,
                changed_at=long_ago,
            )
        )
    async with living(tmp_path, serve, Dummy({A: "1.0"}, stuck=True)) as firmware:
        record = await until(firmware, A, lambda record: record.stage is Stage.FAILED)
    assert record.code == "IOT-802"
