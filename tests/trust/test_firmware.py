"""The child that checks, against a real repository that is wrong in every way it can be."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.trust.asking import RefusedError
from gateway.trust.errors import TrustError
from gateway.trust.firmware import ROLE, manifest_path, read_signed, version_numbers
from headend import ceremony
from headend.ceremony import Publisher, Validity
from tests.trust.firmware_desk import Desk, served

IMAGE = bytes(range(256)) * 40


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with served(tmp_path) as desk:
        yield desk


async def test_a_signed_image_is_listed_and_brought_whole(desk: Desk) -> None:
    signed = desk.publish(IMAGE)
    listing = await desk.listing()
    [offer] = listing.offers
    assert (offer.manifest, listing.refused) == (signed, [])
    await desk.bring(offer.path)
    assert desk.into.read_bytes() == IMAGE


async def test_nothing_is_said_of_models_that_are_not_there(desk: Desk) -> None:
    desk.publish(IMAGE, model="L2")
    listing = await desk.listing()
    assert (listing.offers, listing.refused) == ([], [])


def _altered(desk: Desk) -> None:
    for file in (desk.repository.targets / "firmware/ACME/L1").glob("*.bin"):
        file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:])


def _truncated(desk: Desk) -> None:
    for file in (desk.repository.targets / "firmware/ACME/L1").glob("*.bin"):
        file.write_bytes(file.read_bytes()[:-1])


def _missing(desk: Desk) -> None:
    for file in (desk.repository.targets / "firmware/ACME/L1").glob("*.bin"):
        file.unlink()


def _unsigned(desk: Desk) -> None:
    for file in desk.repository.metadata.glob(f"*.{ROLE}.json"):
        file.write_bytes(file.read_bytes().replace(b'"length": 10240', b'"length": 10241'))


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (_altered, "TRUST-103"),
        (_truncated, "TRUST-1"),
        (_missing, "TRUST-101"),
        (_unsigned, "TRUST-103"),
    ],
)
async def test_a_harmed_image_is_refused_and_not_kept(
    desk: Desk, harm: Callable[[Desk], None], code: str
) -> None:
    desk.publish(IMAGE)
    harm(desk)
    with pytest.raises(RefusedError) as refused:
        await desk.bring(manifest_path("ACME", "L1", 1))
    assert refused.value.refused.code.startswith(code)
    assert not desk.into.exists()
    assert list(desk.into.parent.glob("*.part")) == []


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"model": "L2"}, "TRUST-103"),
        ({"vendor": "Other"}, "TRUST-103"),
        ({"sequence": 8}, "TRUST-103"),
        ({"image": "firmware/ACME/L2/9.bin"}, "TRUST-103"),
        ({"schema": 2}, "TRUST-103"),
        ({"hardware": []}, "TRUST-103"),
        ({"sha256": "0" * 63}, "TRUST-103"),
        ({"size": 0}, "TRUST-103"),
        ({"size": 64 * 1024 * 1024}, "TRUST-106"),
        ({"minimum_installed": "latest"}, "TRUST-103"),
        ({"version": "2\n"}, "TRUST-103"),
    ],
    ids=str,
)
async def test_a_manifest_that_lies_is_refused_and_the_others_stand(
    desk: Desk, lie: dict[str, object], code: str
) -> None:
    good = desk.publish(IMAGE)
    honest = msgspec.to_builtins(good) | {"sequence": 9, "image": "firmware/ACME/L1/9.bin"}
    desk.lie(manifest_path("ACME", "L1", 9), msgspec.json.encode(honest | lie))
    listing = await desk.listing()
    assert [offer.manifest for offer in listing.offers] == [good]
    assert [refused.code for refused in listing.refused] == [code]


async def test_an_image_other_than_the_manifest_says_is_refused(desk: Desk) -> None:
    signed = desk.publish(IMAGE)
    other = msgspec.structs.replace(signed, sha256=hashlib.sha256(b"other").hexdigest(), size=5)
    desk.lie(manifest_path("ACME", "L1", 1), msgspec.json.encode(other))
    with pytest.raises(RefusedError) as refused:
        await desk.bring(manifest_path("ACME", "L1", 1))
    assert (refused.value.refused.code, desk.into.exists()) == ("TRUST-103", False)


async def test_an_expired_image_is_not_brought(desk: Desk) -> None:
    desk.publish(IMAGE, expires=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(RefusedError) as refused:
        await desk.bring(manifest_path("ACME", "L1", 1))
    assert (refused.value.refused.code, desk.into.exists()) == ("TRUST-102", False)


async def test_a_publisher_of_apps_cannot_sign_firmware(desk: Desk) -> None:
    ceremony.add_publisher(
        desk.repository, desk.ring, Publisher(name="example", prefix="com.example."), Validity()
    )
    ceremony.publish(desk.repository, desk.ring, Validity())
    signed = desk.publish(IMAGE)
    theirs = msgspec.structs.replace(signed, sequence=2, image="firmware/ACME/L1/2.bin")
    desk.lie(manifest_path("ACME", "L1", 2), msgspec.json.encode(theirs), role="publisher-example")
    assert [offer.manifest for offer in (await desk.listing()).offers] == [signed]
    with pytest.raises(RefusedError) as refused:
        await desk.bring(manifest_path("ACME", "L1", 2))
    assert refused.value.refused.code == "TRUST-105"


async def test_last_weeks_repository_is_refused(desk: Desk) -> None:
    desk.publish(IMAGE)
    before = {file.name: file.read_bytes() for file in desk.repository.metadata.glob("*.json")}
    desk.publish(b"newer", version="2.1")
    await desk.listing()
    (desk.repository.metadata / "timestamp.json").write_bytes(before["timestamp.json"])
    with pytest.raises(RefusedError) as refused:
        await desk.listing()
    assert refused.value.refused.code == "TRUST-104"


def test_versions_compare_by_their_numbers() -> None:
    assert version_numbers("v1.10.0") == version_numbers("1.10") == (1, 10)
    assert version_numbers("14.2.0(tasmota)") == (14, 2)
    assert version_numbers("release") is None


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"schema":1}'])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(TrustError):
        read_signed(data, manifest_path("ACME", "L1", 1))
