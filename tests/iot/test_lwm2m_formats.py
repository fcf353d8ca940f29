import json
import math
import struct
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iot.coap_cbor import decode_cbor, encode_cbor, shortest
from gateway.iot.coap_links import Link, parse_links
from gateway.iot.coap_resources import entity_of
from gateway.iot.coap_senml import SENML_CBOR, SENML_JSON, TEXT, PayloadError, Record
from gateway.iot.entity import Device, DeviceId, Value
from gateway.iot.lwm2m_firmware import (
    FirmwareDelivery,
    FirmwareObject,
    FirmwareProtocol,
    FirmwareResult,
    FirmwareState,
    firmware_of,
)
from gateway.iot.lwm2m_objects import (
    DeviceFacts,
    Explored,
    described,
    facts_of,
    inventory,
    links_of,
    version_of,
)
from gateway.iot.lwm2m_paths import Path, Type, parse_path, path_text, type_of
from gateway.iot.lwm2m_tlv import MAX_ENTRIES, Entry, Kind, TlvError, decode_tlv, encode_tlv
from gateway.iot.lwm2m_values import LWM2M_JSON, TLV, WRITABLE, read, read_one, write

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DEVICE: Path = (3, 0)
TEMPERATURE: Path = (3303, 0, 5700)

# The example of OMA-TS-LightweightM2M_Core 1.1.1, section 7.4.4: a whole device object.
LABEL = bytes.fromhex(
    "c800144f70656e204d6f62696c6520416c6c69616e6365"
    "c801164c69676874776569676874204d324d20436c69656e74"
    "c80209333435303030313233"
    "c303312e30"
    "860641000141010588070842000ed8420113888708 41007d42010384"
    "c10964"
    "c10a0f"
    "830b410000"
    "c40d5182428f"
    "c60e2b30323a3030"
    "c11055".replace(" ", "")
)

ids = st.integers(0, 0xFFFF)
resources = st.builds(Entry, st.just(Kind.RESOURCE), ids, st.binary(max_size=300))
instances_of_resource = st.builds(Entry, st.just(Kind.RESOURCE_INSTANCE), ids, st.binary(max_size=20))
several = st.builds(
    Entry,
    st.just(Kind.MULTIPLE_RESOURCE),
    ids,
    st.just(b""),
    st.lists(instances_of_resource, max_size=4).map(tuple),
)
instances = st.builds(
    Entry,
    st.just(Kind.OBJECT_INSTANCE),
    ids,
    st.just(b""),
    st.lists(resources | several, max_size=4).map(tuple),
)


@given(st.lists(resources | several | instances | instances_of_resource, max_size=5))
def test_tlv_survives_being_written_and_read(entries: list[Entry]) -> None:
    assert decode_tlv(encode_tlv(entries)) == tuple(entries)


@given(st.binary(max_size=200))
def test_any_bytes_are_tlv_or_refused(payload: bytes) -> None:
    try:
        entries = decode_tlv(payload)
    except TlvError:
        return
    assert len(entries) <= len(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc8",
        b"\xc8\x00",
        b"\xc8\x00\x14abc",
        b"\xd8\x00\xff\xff\xff",
        b"\x00" * 600,
        b"\x08\x00\x02\x00\x00",
    ],
    ids=["no id", "no length", "short", "huge", "many", "instance in instance"],
)
def test_tlv_that_lies_is_refused(payload: bytes) -> None:
    assert len(payload) < MAX_ENTRIES * 3
    with pytest.raises(PayloadError):
        read(payload, TLV, DEVICE, now=NOW)


def test_the_example_of_the_standard_is_read() -> None:
    said = read(LABEL, TLV, DEVICE, now=NOW)

    assert {path: record.value for path, record in said.items()} == {
        (3, 0, 0): "Open Mobile Alliance",
        (3, 0, 1): "Lightweight M2M Client",
        (3, 0, 2): "345000123",
        (3, 0, 3): "1.0",
        (3, 0, 9): 100,
        (3, 0, 10): 15,
    }


@pytest.mark.parametrize(
    ("payload", "content_format", "value"),
    [
        (b"\xe4\x16\x44" + struct.pack(">f", 21.3), TLV, 21.3),
        (b"\xe8\x16\x44\x08" + struct.pack(">d", -0.5), TLV, -0.5),
        (b"\x08\x00\x07\xe4\x16\x44" + struct.pack(">f", 21.5), TLV, 21.5),
        (b'[{"bn":"/3303/0/","n":"5700","v":21.5}]', SENML_JSON, 21.5),
        (b'[{"bn":"/lwm2m/3303/0/","n":"5700","v":21.5}]', SENML_JSON, 21.5),
        (b'[{"v":21.5}]', SENML_JSON, 21.5),
        (encode_cbor([{-2: "/3303/0/5700", 2: 21.5}]), SENML_CBOR, 21.5),
        (b"\x81\xa2\x00\x6c/3303/0/5700\x02\xfa" + struct.pack(">f", 21.3), SENML_CBOR, 21.3),
        (b'{"bn":"/3303/0/","e":[{"n":"5700","v":21.5}]}', LWM2M_JSON, 21.5),
        (b'{"bn":"/3303/0/5700","e":[{"v":20},{"v":21.5}]}', LWM2M_JSON, 21.5),
        (b'{"bn":"/3303/0","e":[{"n":"5700","v":21.5},{"n":"5701","sv":"Cel"}]}', LWM2M_JSON, 21.5),
        (b'{"bn":"/3303/0/5700","e":[{"n":"","v":21.5}]}', LWM2M_JSON, 21.5),
        (b'{"e":[{"n":"","v":21.5}]}', LWM2M_JSON, 21.5),
        (b"21.5", TEXT, 21.5),
        (b"21", None, 21),
    ],
)  # fmt: skip
def test_a_temperature_is_read_in_each_format(
    payload: bytes, content_format: int | None, value: Value
) -> None:
    assert read_one(payload, content_format, TEMPERATURE, now=NOW).value == value


def test_an_instance_is_read_with_its_unit_and_the_time_of_measurement() -> None:
    said = read(
        b'[{"bn":"/3303/0/","bt":1700000000,"n":"5700","v":21.5},{"n":"5701","vs":"Cel"},{"n":"5601","v":1,"t":-5}]',
        SENML_JSON,
        (3303, 0),
        now=NOW,
    )
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    assert said == {
        (3303, 0, 5700): Record(21.5, at),
        (3303, 0, 5701): Record("Cel", at),
        (3303, 0, 5601): Record(1, at - timedelta(seconds=5)),
    }


@pytest.mark.parametrize(
    ("payload", "content_format"),
    [
        (b"\xe4\x16\x44" + struct.pack(">f", math.nan), TLV),
        (b"\xe4\x16\x44" + struct.pack(">f", math.inf), TLV),
        (b"\xe3\x16\x44\x00\x00\x00", TLV),
        (b"\xe1\x16\xda\x01", TLV),
        (b'[{"n":"/3304/0/5700","v":21.5}]', SENML_JSON),
        (b'[{"n":"/3303/0/5700","vs":"warm"}]', SENML_JSON),
        (b'[{"n":"/3303/0/5700","vb":true}]', SENML_JSON),
        (b'[{"n":"/3303/0/5700/99999","v":1}]', SENML_JSON),
        (b'{"bn":"/3303/0/5700"}', LWM2M_JSON),
        (b'{"e":[1]}', LWM2M_JSON),
        (b"[" * 5000, LWM2M_JSON),
        (b"warm", TEXT),
        (b"", TEXT),
        (b"21.5", 60),
        (b"0" * 20_000, TEXT),
    ],
)
def test_what_is_not_a_temperature_is_refused(payload: bytes, content_format: int) -> None:
    with pytest.raises(PayloadError):
        read_one(payload, content_format, TEMPERATURE, now=NOW)


formats = st.sampled_from([TLV, SENML_CBOR, SENML_JSON, LWM2M_JSON, TEXT, None, 60])
paths = st.sampled_from([(3, 0), (3303, 0), (3303, 0, 5700), (3311, 0, 5850), (3, 0, 1), (5, 0), (5, 0, 8)])


@given(st.binary(max_size=200), formats, paths)
def test_any_answer_is_about_what_was_asked_or_refused(
    payload: bytes, content_format: int | None, asked: Path
) -> None:
    try:
        said = read(payload, content_format, asked, now=NOW)
    except PayloadError:
        return
    assert all(path[: len(asked)] == asked for path in said)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["bn", "bt", "e", "n", "v", "sv", "bv", "ov", "t", "vs", "vb"]), inner, max_size=5
        )
    ),
    max_leaves=8,
)


@given(json_values, st.sampled_from([SENML_JSON, LWM2M_JSON]), paths)
def test_any_json_is_a_reading_or_refused(data: object, content_format: int, asked: Path) -> None:
    try:
        said = read(json.dumps(data).encode(), content_format, asked, now=NOW)
    except PayloadError:
        return
    assert all(type_of(path) is not None for path in said)


texts = st.text(min_size=1, max_size=60)
written = (
    st.tuples(st.just((3311, 0, 5850)), st.booleans())
    | st.tuples(st.just((3303, 0, 5700)), st.floats(-1e15, 1e15) | st.integers(-(2**52), 2**52))
    | st.tuples(st.just((3311, 0, 5851)), st.integers(-(2**52), 2**52))
    | st.tuples(st.just((5, 0, 1)), texts)
)


@given(written, st.sampled_from(WRITABLE))
def test_what_is_written_is_what_a_device_reads(
    told: tuple[Path, bool | float | str], content_format: int
) -> None:
    path, value = told
    assert read_one(write(value, content_format, path), content_format, path, now=NOW).value == value


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ("on", (3311, 0, 5850)),
        (2, (3311, 0, 5850)),
        (1.5, (3311, 0, 5851)),
        (True, (3303, 0, 5700)),
        (1, (3311, 0, 1)),
    ],
)
def test_what_a_resource_cannot_be_is_not_written(value: Value, path: Path) -> None:
    with pytest.raises(PayloadError):
        write(value, TLV, path)


def test_a_lamp_is_told_in_bytes_that_the_standard_gives() -> None:
    path: Path = (3311, 0, 5850)
    assert write(True, TLV, path) == bytes.fromhex("e116da01")
    assert write(True, TEXT, path) == b"1"
    assert json.loads(write(True, SENML_JSON, path)) == [{"n": "/3311/0/5850", "vb": True}]
    assert decode_cbor(write(True, SENML_CBOR, path)) == [{0: "/3311/0/5850", 4: True}]


cbor_items = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=300)
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.integers(0, 2**64 - 1) | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=3,
)


@given(cbor_items)
def test_cbor_survives_being_written_and_read(item: object) -> None:
    assert decode_cbor(encode_cbor(item)) == item


@given(st.floats(width=32, allow_nan=False))
def test_a_narrow_number_keeps_its_meaning(number: float) -> None:
    raw = struct.pack(">f", number)
    assert struct.pack(">f", shortest(raw, ">f")) == raw


@given(st.lists(ids, min_size=1, max_size=4).map(tuple))
def test_a_path_survives_being_written_and_read(path: Path) -> None:
    assert parse_path(path_text(path)) == path


@pytest.mark.parametrize("text", ["", "/", "3303/0", "/3303/", "/1/2/3/4/5", "/65536", "/-1", "/٣"])
def test_what_is_no_path_is_none(text: str) -> None:
    assert parse_path(text) is None


def test_a_resource_means_the_same_in_every_object_or_what_its_object_says() -> None:
    assert [type_of(path) for path in ((3303, 0, 5700), (3, 0, 0), (5, 0, 8, 1), (7, 0, 0), (3303, 0))] == [
        Type.FLOAT, Type.TEXT, Type.INTEGER, None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("version", "links", "root", "first_format", "paths"),
    [
        ("1.0", "</1/0>,</3/0>,</3303/0>", "", TLV, [(3, 0), (3303, 0)]),
        ("1.1", "</3303/0>,</3303/1>", "", SENML_CBOR, [(3303, 0), (3303, 1)]),
        ("1.1", '</>;rt="oma.lwm2m";ct="60 110",</3303/0>', "", SENML_JSON, [(3303, 0)]),
        ("1.1", "</>;ct=11542;ct=112,</3303/0>", "", SENML_CBOR, [(3303, 0)]),
        ("1.0", '</lwm2m>;rt="oma.lwm2m";ct=11543,</lwm2m/3303/0>', "/lwm2m", LWM2M_JSON, [(3303, 0)]),
        ("1.0", "</3303>,</3>;ver=1.1,</3303/0/5700>,</x/y>,</9999/0>,<//>", "", TLV, []),
        ("1.0", ",".join(f"</3303/{i}>" for i in range(200)), "", TLV, [(3303, i) for i in range(64)]),
    ],
    ids=["1.0", "1.1", "formats", "formats apart", "alternate path", "nothing we know", "many"],
)
def test_a_registration_says_what_there_is(
    version: str, links: str, root: str, first_format: int, paths: list[Path]
) -> None:
    has = inventory(version, parse_links(links))
    assert {path[0] for path in paths} <= has.objects
    assert (has.root, has.formats[0], list(has.instances)) == (root, first_format, paths)


@pytest.mark.parametrize(
    ("said", "links", "version"),
    [
        ("1.0", "", "1.0"),
        ("1.1", "", "1.1"),
        ("1.0.2", "", "1.0"),
        (None, '</>;rt="oma.lwm2m"', "1.0"),
        (None, "</3303/0/5700>", ""),
        ("2.0", "", None),
        ("", "", None),
    ],
)
def test_a_device_says_which_version_it_speaks(said: str | None, links: str, version: str | None) -> None:
    assert version_of(said, parse_links(links)) == version


def test_what_an_instance_has_is_believed_until_it_tells() -> None:
    has = inventory("1.0", parse_links("</3/0>,</3303/0>,</3313/0>,</3312/0>"))
    told = Explored(
        values={(3303, 0, 5701): "C", (3312, 0, 5750): "水泵"},
        present={
            (3, 0): frozenset({(3, 0, 0), (3, 0, 9)}),
            (3313, 0): frozenset({(3313, 0, 5704)}),
            (3312, 0): frozenset({(3312, 0, 5850), (3312, 0, 5805)}),
        },
    )

    before = [link.target for link in links_of(has, Explored())]
    after = {link.target: link for link in links_of(has, told)}

    assert before == ["/3303/0/5700", "/3313/0/5702", "/3312/0/5850"]
    assert list(after) == [
        "/3303/0/5700", "/3313/0/5702", "/3313/0/5704", "/3312/0/5850", "/3312/0/5805", "/3/0/9"
    ]  # fmt: skip
    assert after["/3303/0/5700"].first("u") == "°C"
    assert after["/3312/0/5850"] == Link("/3312/0/5850", (("title", "水泵"), ("obs", "")))


def test_what_a_device_does_not_name_has_a_name_all_the_same() -> None:
    device = Device(id=DeviceId("coap.ep1"), name="ep1", link="coap")
    found = [
        entity_of(device, "ep1", Link(path)) for path in ("/3311/0/5850", "/3311/0/5851", "/3303/1/5700")
    ]

    assert [(each.name, each.part) for each in found if each] == [
        ("灯", ""),
        ("灯", "brightness"),
        ("温度 2", ""),
    ]


def test_a_device_is_called_by_its_label_rather_than_by_a_number() -> None:
    told = Explored(values={(3, 0, 0): "ACME\n", (3, 0, 1): "T-1", (3, 0, 2): "S-7", (3, 0, 18): "B"})
    number = Device(id=DeviceId("coap.urn:uuid:1"), name="urn:uuid:1", link="coap")
    named = Device(id=DeviceId("coap.attic"), name="attic", link="coap")

    assert facts_of(told.values) == DeviceFacts(manufacturer="ACME", model="T-1", serial="S-7", hardware="B")
    assert [described(each, told).name for each in (number, named)] == ["ACME T-1", "attic"]
    assert described(number, Explored()).name == "urn:uuid:1"


def test_a_firmware_object_is_read() -> None:
    each = [Entry(Kind.RESOURCE_INSTANCE, i, bytes([protocol])) for i, protocol in enumerate((0, 2, 99))]
    payload = encode_tlv(
        [
            Entry(Kind.RESOURCE, 3, b"\x02"),
            Entry(Kind.RESOURCE, 5, b"\x05"),
            Entry(Kind.RESOURCE, 6, b"lamp"),
            Entry(Kind.RESOURCE, 7, b"2.0"),
            Entry(Kind.MULTIPLE_RESOURCE, 8, children=tuple(each)),
            Entry(Kind.RESOURCE, 9, b"\x02"),
        ]
    )

    assert firmware_of(read(payload, TLV, (5, 0), now=NOW)) == FirmwareObject(
        state=FirmwareState.DOWNLOADED,
        result=FirmwareResult.INTEGRITY_FAILED,
        package_name="lamp",
        package_version="2.0",
        protocols=frozenset({FirmwareProtocol.COAP, FirmwareProtocol.HTTP}),
        delivery=FirmwareDelivery.BOTH,
    )


firmware_paths = st.tuples(st.just(5), st.just(0), st.integers(0, 20))


@given(
    st.dictionaries(
        firmware_paths, st.builds(Record, st.integers(-1, 15) | st.integers() | st.booleans() | texts)
    )
)
def test_a_firmware_object_out_of_range_is_unknown(said: dict[Path, Record]) -> None:
    firmware = firmware_of(said)
    record = said.get((5, 0, 3))
    known = record is not None and record.value in range(4) and not isinstance(record.value, bool)
    assert (firmware.state is not None) == known


@pytest.mark.parametrize(
    ("result", "failed"),
    [(FirmwareResult.INITIAL, False), (FirmwareResult.UPDATED, False), (FirmwareResult.OUT_OF_MEMORY, True),
     (FirmwareResult.CANCELLED, True), (FirmwareResult.DEFERRED, False)],
)  # fmt: skip
def test_a_failed_update_is_known_as_one(result: FirmwareResult, failed: bool) -> None:
    assert result.failed is failed
