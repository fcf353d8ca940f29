"""Who may be part of the home over CoAP: real sockets, a real store, devices that are not ours."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import aiocoap
import pytest

from gateway.iot import coap_directory
from gateway.iot.coap_admission import (
    MAX_JUDGED,
    MAX_KNOCKS_A_MINUTE,
    MAX_WAITING,
    Admission,
    Applicant,
    NotAdmittedError,
    TooManyStrangersError,
    UnknownApplicantError,
    Verdict,
)
from gateway.iot.coap_endpoint import CoapConfig, StaticDevice
from gateway.iot.entity import EntityId
from gateway.iot.link import LinkDownError
from gateway.schema import SchemaError, decode
from tests.conftest import Serve
from tests.iot.coap_box import box, database
from tests.iot.coap_peers import Value, peer
from tests.iot.conftest import until, value

LINKS = "</3303/0/5700>;obs,</3306/0/5850>;obs"
TEMPERATURE, FAN = "coap.ep1.3303.0.5700", EntityId("coap.ep1.3306.0.5850")


async def test_an_unknown_device_is_neither_read_nor_shown_nor_told_anything(
    tmp_path: Path, serve: Serve
) -> None:
    temperature = Value("20")
    async with peer({"/3303/0/5700": temperature}) as device, box(tmp_path, serve) as rig:
        with temperature.observers.subscribe() as observers, rig.registry.changes.subscribe() as shown:
            await device.register(rig.endpoint.port, LINKS)
            await rig.until_waiting(lambda names: names == ["ep1"])
            await device.register(rig.endpoint.port, LINKS)
            with pytest.raises(LinkDownError):
                await rig.link.command(FAN, value=True)
            await rig.admission.decide("ep1", Verdict.ADMITTED)
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            # The first that was heard of either was after the verdict.
            assert (await anext(observers)) == 1
            assert (await anext(shown)).before is None
        assert rig.admission.waiting == ()


async def test_an_admitted_device_is_known_by_its_name_at_any_address_and_after_a_restart(
    tmp_path: Path, serve: Serve
) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device, box(tmp_path, serve) as rig:
        await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        await rig.admission.decide("ep1", Verdict.ADMITTED)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
    async with peer({"/3303/0/5700": Value("21")}) as moved, box(tmp_path, serve) as rig:
        await moved.register(rig.endpoint.port, LINKS)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 21)
        assert rig.admission.waiting == ()


async def test_who_waits_costs_the_disk_nothing_and_asks_again_after_a_restart(
    tmp_path: Path, serve: Serve
) -> None:
    async with peer() as device, box(tmp_path, serve) as rig:
        location = await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        assert (await device.ask(aiocoap.POST, location)).code == aiocoap.CHANGED
        written = await rig.store.read(
            lambda db: db.execute("SELECT count(*) FROM coap_registration").fetchone()
        )
        assert written == (0,)
    async with peer() as device, box(tmp_path, serve) as rig:
        gone = location.replace(location.split("/")[2], f"127.0.0.1:{rig.endpoint.port}")
        assert (await device.ask(aiocoap.POST, gone)).code == aiocoap.NOT_FOUND
        await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        assert not rig.registry.states


async def test_what_an_admitted_device_had_registered_outlives_a_restart(
    tmp_path: Path, serve: Serve
) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device:
        async with box(tmp_path, serve) as rig:
            await device.register(rig.endpoint.port, LINKS)
            await rig.until_waiting(lambda names: names == ["ep1"])
            await rig.admission.decide("ep1", Verdict.ADMITTED)
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
        async with box(tmp_path, serve) as rig:
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)


async def test_a_refused_device_is_told_so_and_not_asked_about_again(tmp_path: Path, serve: Serve) -> None:
    async with peer() as device, box(tmp_path, serve) as rig:
        location = await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        await rig.admission.decide("ep1", Verdict.REFUSED)
        again = f"coap://127.0.0.1:{rig.endpoint.port}/rd?ep=ep1"
        assert (await device.ask(aiocoap.POST, again, content_format=40)).code == aiocoap.FORBIDDEN
        assert (await device.ask(aiocoap.POST, location)).code == aiocoap.NOT_FOUND
    async with peer() as device, box(tmp_path, serve) as rig:
        again = f"coap://127.0.0.1:{rig.endpoint.port}/rd?ep=ep1"
        assert (await device.ask(aiocoap.POST, again, content_format=40)).code == aiocoap.FORBIDDEN
        assert (rig.admission.waiting, len(rig.registry.states)) == ((), 0)


async def test_a_device_sent_away_later_is_gone_from_the_home(tmp_path: Path, serve: Serve) -> None:
    temperature = Value("20")
    async with peer({"/3303/0/5700": temperature}) as device, box(tmp_path, serve) as rig:
        await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        await rig.admission.decide("ep1", Verdict.ADMITTED)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)

        await rig.admission.forget("ep1")

        await until(rig.registry, lambda: not rig.registry.states)
        await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        assert not rig.registry.states


async def test_a_refused_device_may_be_let_in_after_all(tmp_path: Path, serve: Serve) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device, box(tmp_path, serve) as rig:
        await device.register(rig.endpoint.port, LINKS)
        await rig.until_waiting(lambda names: names == ["ep1"])
        await rig.admission.decide("ep1", Verdict.REFUSED)
        await rig.admission.decide("ep1", Verdict.ADMITTED)
        await device.register(rig.endpoint.port, LINKS)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)


async def test_what_the_configuration_names_need_not_ask(tmp_path: Path, serve: Serve) -> None:
    async with peer({"/3303/0/5700": Value("20")}) as device:
        static = (StaticDevice(endpoint="cellar", url=device.url),)
        async with box(tmp_path, serve, CoapConfig(port=0, admitted=("ep1",), devices=static)) as rig:
            await device.register(rig.endpoint.port, LINKS)
            await device.register(rig.endpoint.port, LINKS, name="cellar")
            await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
            assert rig.admission.waiting == ()


async def test_a_crowd_of_strangers_costs_them_their_places_and_the_home_nothing(
    tmp_path: Path, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("WARNING")
    config = CoapConfig(port=0, admitted=("ep1",), max_devices=MAX_WAITING + 5)
    async with peer({"/3303/0/5700": Value("20")}) as device, box(tmp_path, serve, config) as rig:
        names = [f"stranger{number}" for number in range(MAX_WAITING + 3)]
        for name in names:
            await device.register(rig.endpoint.port, "", name=name)
            await rig.until_waiting(lambda waiting, name=name: name in waiting)  # type: ignore[misc]  # bound now
        assert [one.endpoint for one in rig.admission.waiting] == names[3:]
        await device.register(rig.endpoint.port, LINKS)
        await until(rig.registry, lambda: value(rig.registry, TEMPERATURE) == 20)
    assert "stranger0 waits no more" in caplog.text


async def test_strangers_who_come_too_often_are_turned_away(tmp_path: Path, serve: Serve) -> None:
    async with peer() as device, box(tmp_path, serve) as rig:
        for _ in range(MAX_KNOCKS_A_MINUTE):
            await device.register(rig.endpoint.port, "")
        again = f"coap://127.0.0.1:{rig.endpoint.port}/rd?ep=other"
        answer = await device.ask(aiocoap.POST, again, content_format=40)
        assert answer.code == aiocoap.SERVICE_UNAVAILABLE
        assert rig.admission.turned_away == 1


async def test_a_stranger_that_leaves_or_falls_silent_waits_no_more(tmp_path: Path, serve: Serve) -> None:
    async with peer() as device, box(tmp_path, serve) as rig:
        location = await device.register(rig.endpoint.port, "")
        await rig.until_waiting(lambda names: names == ["ep1"])
        await device.ask(aiocoap.DELETE, location)
        await rig.until_waiting(lambda names: names == [])
        await device.register(rig.endpoint.port, "", name="ep2", lifetime_s=1)
        await rig.until_waiting(lambda names: names == ["ep2"])
        await rig.until_waiting(lambda names: names == [])


async def test_devices_registered_before_anybody_was_asked_stay(tmp_path: Path, serve: Serve) -> None:
    # What an earlier version left: its table, and its note of one script.
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as db, db:
        db.execute(coap_directory.MIGRATIONS[0])
        db.execute("CREATE TABLE migration (owner TEXT PRIMARY KEY, applied INTEGER NOT NULL)")
        db.execute("INSERT INTO migration VALUES ('coap', 1)")
        row = ("id1", "ep1", "coap://127.0.0.1:9", 60, LINKS, "M1", "客厅", 4e9)
        db.execute("INSERT INTO coap_registration VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    async with box(tmp_path, serve) as rig:
        assert (rig.admission.admits("ep1"), rig.admission.waiting) == (True, ())
        assert [(one.endpoint, one.name) for one in rig.admission.judged] == [("ep1", "客厅")]


def stranger(endpoint: str) -> Applicant:
    return Applicant(endpoint=endpoint, name="", model="", address="coap://x", since=datetime.now(UTC))


async def test_only_so_many_refusals_are_remembered_the_newest(tmp_path: Path, serve: Serve) -> None:
    store = database(tmp_path)
    async with serve(store):
        await store.write(
            lambda db: (
                db.executemany(
                    "INSERT INTO coap_admission VALUES (?, 'refused', '', '', ?)",
                    [(f"r{n:04}", f"2026-01-01T00:00:00.{n:06}+00:00") for n in range(MAX_JUDGED)],
                )
                and None
            )
        )
        admission = Admission(store)
        await admission.load()
        admission.knock(stranger("one-more"))
        await admission.decide("one-more", Verdict.REFUSED)
        assert len(admission.judged) == MAX_JUDGED
        admission.check("r0000")
        with pytest.raises(NotAdmittedError):
            admission.check("r0001")
        again = Admission(store)
        await again.load()
        assert again.judged == admission.judged


async def test_no_more_are_admitted_than_there_is_room_for(tmp_path: Path, serve: Serve) -> None:
    store = database(tmp_path)
    async with serve(store):
        admission = Admission(store, max_admitted=1)
        await admission.load()
        for name in ("a", "b"):
            admission.knock(stranger(name))
        await admission.decide("a", Verdict.ADMITTED)
        with pytest.raises(TooManyStrangersError):
            await admission.decide("b", Verdict.ADMITTED)
        assert not admission.admits("b")


async def test_nobody_is_judged_who_never_came(tmp_path: Path, serve: Serve) -> None:
    store = database(tmp_path)
    async with serve(store):
        admission = Admission(store)
        await admission.load()
        with pytest.raises(UnknownApplicantError):
            await admission.decide("nobody", Verdict.ADMITTED)
        with pytest.raises(UnknownApplicantError):
            await admission.forget("nobody")


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"admission": "shut"}, "iot.coap.admission: "),
        ({"admitted": ["a b"]}, "iot.coap.admitted[0]: is not the name"),
    ],
)
def test_a_wrong_section_is_named_by_its_path(section: dict[str, object], problem: str) -> None:
    with pytest.raises(SchemaError) as refused:
        decode(section, CoapConfig, at="iot.coap")
    assert str(refused.value).startswith(problem)
