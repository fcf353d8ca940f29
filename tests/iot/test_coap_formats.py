"""What CoAP devices write: link format, SenML, CBOR.  Strangers' bytes, so properties first."""

import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iot.bridge_topics import object_id
from gateway.iot.coap_links import Link, LinkFormatError, format_links, parse_links
from gateway.iot.coap_observe import is_newer
from gateway.iot.coap_resources import entity_of, kind_of, link_of, reading_value
from gateway.iot.coap_senml import (
    SENML_CBOR,
    SENML_JSON,
    TEXT,
    PayloadError,
    Record,
    decode,
    encode,
    plain_text,
)
from gateway.iot.entity import Capability, Device, DeviceId, EntityId

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE = Device(id=DeviceId("coap.ep1"), name="ep1", link="coap")

names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)
links = st.builds(
    Link,
    st.from_regex(r"/[a-zA-Z0-9/._-]{0,20}", fullmatch=True),
    st.lists(st.tuples(names, st.text(max_size=8)), max_size=3).map(tuple),
)


@given(st.lists(links, max_size=3))
def test_links_survive_being_written_and_read(several: list[Link]) -> None:
    assert parse_links(format_links(several)) == tuple(several)


@given(st.text(max_size=200) | st.text(alphabet='<>;=",/ab\\ ', max_size=60))
def test_any_text_is_links_or_refused(text: str) -> None:
    try:
        parse_links(text)
    except LinkFormatError:
        return


def test_a_real_device_is_read() -> None:
    # As libcoap's example server lists itself.
    text = '</>;title="General Info";ct=0,</time>;if="clock";rt="ticks";title="Internal Clock";ct=0;obs'

    info, clock = parse_links(text)

    assert info == Link("/", (("title", "General Info"), ("ct", "0")))
    assert (clock.words("rt"), clock.has("obs"), clock.first("title")) == (("ticks",), True, "Internal Clock")


@pytest.mark.parametrize(
    "text",
    ["</a", "a", "</a>,", "</a>;=1", '</a>;rt="x', "</a> </b>", "</a>," * 300 + "</a>", "x" * 70_000],
    ids=["open", "bare", "comma", "nameless", "quote", "two", "many", "long"],
)
def test_what_is_not_links_is_refused(text: str) -> None:
    with pytest.raises(LinkFormatError):
        parse_links(text)


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


values = st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e18, 1e18)
times = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


@given(
    values | st.text(max_size=50),
    st.none() | times,
    st.text(max_size=20),
    st.sampled_from(["", "°C", "%", "mmHg"]),
)
def test_a_record_survives_being_written_and_read(
    value: bool | float | str, at: datetime | None, name: str, unit: str
) -> None:
    record = Record(value, at and at.replace(microsecond=0), name, unit)
    assert decode(encode(record), SENML_JSON, now=NOW) == (record,)


@given(st.booleans() | st.integers(-(2**53), 2**53))
def test_plain_text_keeps_numbers(value: bool | int) -> None:
    assert decode(plain_text(value), TEXT, now=NOW) == (Record(int(value)),)


@given(st.binary(max_size=100), st.sampled_from([None, TEXT, SENML_JSON, SENML_CBOR, 60]))
def test_any_payload_is_a_reading_or_refused(payload: bytes, content_format: int | None) -> None:
    try:
        records = decode(payload, content_format, now=NOW)
    except PayloadError:
        return
    assert all(not isinstance(record.value, float) or math.isfinite(record.value) for record in records)


json_values = st.recursive(
    st.none() | values | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["bn", "bt", "bu", "bv", "n", "u", "v", "vs", "vb", "t", "x_"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)


@given(json_values)
def test_any_json_is_a_reading_or_refused(data: object) -> None:
    try:
        decode(json.dumps(data).encode(), SENML_JSON, now=NOW)
    except PayloadError:
        return


@pytest.mark.parametrize(
    ("pack", "records"),
    [
        ([{"n": "t", "v": 21.5}], [Record(21.5, None, "t")]),
        ([{"bn": "d/", "bu": "Cel", "n": "t", "v": 1}], [Record(1, None, "d/t", "°C")]),
        ([{"bt": -60, "v": 1}, {"t": 5, "v": 2}], [Record(1, ago(60)), Record(2, ago(55))]),
        ([{"t": 1_700_000_000, "v": 1}], [Record(1, datetime.fromtimestamp(1_700_000_000, UTC))]),
        ([{"bv": 20, "v": 1}], [Record(21)]),
        ([{"vb": True}, {"vs": "open"}], [Record(True), Record("open")]),
    ],
    ids=["one", "base name and unit", "relative", "absolute", "base value", "kinds"],
)  # fmt: skip
def test_senml_is_resolved(pack: list[object], records: list[Record]) -> None:
    assert list(decode(json.dumps(pack).encode(), SENML_JSON, now=NOW)) == records


@pytest.mark.parametrize(
    "pack",
    [
        [], {}, [1], [{}], [{"v": "1"}], [{"v": True}], [{"vb": 1}], [{"v": 1, "x_": 1}],
        [{"v": 1, "t": 1e99}], [{"v": 1e300}], [{"v": 1}] * 65, [{"vs": "x" * 256}],
    ],
)  # fmt: skip
def test_senml_that_breaks_its_rules_is_refused(pack: object) -> None:
    with pytest.raises(PayloadError):
        decode(json.dumps(pack).encode(), SENML_JSON, now=NOW)


def test_senml_in_cbor_is_read() -> None:
    # One record: base name "d/", name "t", unit, value, and a time one second ago.
    payload = b"\x81\xa5\x21\x62d/\x00\x61t\x01\x63Cel\x02\xfb" + struct.pack(">d", 21.5) + b"\x06\x20"

    assert decode(payload, SENML_CBOR, now=NOW) == (Record(21.5, NOW - timedelta(seconds=1), "d/t", "°C"),)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x9f\xff",
        b"\x9b" + b"\xff" * 8,
        b"\x81" * 50,
        b"\x81\xa1\x02",
        b"\xc0\x00",
        b"\x81\xa1\x02\x01\x00",
    ],
    ids=["nothing", "indefinite", "huge", "deep", "short", "tag", "left over"],
)
def test_cbor_that_lies_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(payload, SENML_CBOR, now=NOW)


@pytest.mark.parametrize(
    ("link", "capability", "device_class", "unit"),
    [
        (Link("/3303/0/5700"), Capability.SENSOR, "temperature", "°C"),
        (Link("/3306/0/5850"), Capability.SWITCH, "", ""),
        (Link("/3311/0/5850"), Capability.LIGHT, "", ""),
        (Link("/3302/0/5500"), Capability.BINARY_SENSOR, "occupancy", ""),
        (Link("/3342/0/5500"), Capability.BINARY_SENSOR, "", ""),
        (Link("/3342/0/5500", (("if", "core.a"),)), Capability.SWITCH, "switch", ""),
        (Link("/3323/0/5700", (("u", "bar"),)), Capability.SENSOR, "pressure", "bar"),
        (Link("/t", (("rt", "x oic.r.temperature"),)), Capability.SENSOR, "temperature", "°C"),
        (Link("/valve", (("if", "core.a"),)), Capability.SWITCH, "", ""),
    ],
)
def test_known_resources_become_entities(
    link: Link, capability: Capability, device_class: str, unit: str
) -> None:
    entity = entity_of(DEVICE, "ep1", link)

    assert entity is not None
    assert (entity.capability, entity.device_class, entity.unit) == (capability, device_class, unit)
    assert entity.id == "coap.ep1" + link.target.replace("/", ".")


@pytest.mark.parametrize("target", ["/3303/0/5601", "/3/0/0", "/time", "coap://other/3303/0/5700", "/a b"])
def test_unknown_resources_are_left_alone(target: str) -> None:
    assert entity_of(DEVICE, "ep1", Link(target, (("rt", "whatever"),))) is None


@given(st.sampled_from(["/3303/0/5700", "/3306/0/5850", "/3311/0/5850", "/3302/0/5500", "/3316/0/5700"]))
def test_what_the_box_lists_another_box_understands(target: str) -> None:
    entity = entity_of(DEVICE, "ep1", Link(target))
    assert entity is not None

    kind = kind_of(link_of(entity, "/e/x"))

    assert kind is not None
    assert (kind.capability.writable, kind.unit) == (entity.capability.writable, entity.unit)


def test_a_switch_reads_what_devices_say() -> None:
    switch = entity_of(DEVICE, "ep1", Link("/3306/0/5850"))
    assert switch is not None
    assert [reading_value(switch, said) for said in (True, 0, 1.0, "on", "OFF", "maybe")] == [
        True, False, True, True, False, None
    ]  # fmt: skip


@given(st.integers(0, 2**24 - 1), st.integers(1, 2**23 - 1))
def test_a_notification_is_newer_than_those_before_it_also_over_the_wrap(number: int, later: int) -> None:
    after = (number + later) % 2**24
    assert is_newer(number, 0.0, after, 1.0)
    assert not is_newer(after, 0.0, number, 1.0)
    assert is_newer(after, 0.0, number, 129.0)


ids = st.from_regex(r"(coap|tv)\.[A-Za-z0-9._:-]{1,20}", fullmatch=True)


@given(ids, ids)
def test_different_entities_have_different_topics(one: str, other: str) -> None:
    same = object_id(EntityId(one)) == object_id(EntityId(other))
    assert same == (one == other)
