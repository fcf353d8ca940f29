"""OSCORE without a wire: RFC 8613's own examples, strangers' bytes, and numbers over power cuts."""

import asyncio
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.iot import coap_directory
from gateway.iot.coap_keys import ON_RESTORE, CoapKeys, KeyTakenError
from gateway.iot.coap_sealed import NumbersForgottenError, UnknownKeyError
from gateway.iot.oscore import MAX_NUMBER, Header, Keys, Place, SealError, Secret, number_bytes, parse_header
from gateway.iot.oscore_numbers import (
    AFTER_RESTORE,
    STEP,
    WINDOW,
    NumbersUsedUpError,
    ReplayWindow,
    SenderNumbers,
    reserve,
)
from gateway.store import Store
from tests.conftest import Serve

MASTER = bytes.fromhex("0102030405060708090a0b0c0d0e0f10")
SALT = bytes.fromhex("9e7ca92223786340")
CONTEXT = bytes.fromhex("37cbf3210017a2d3")
# GET tv1, as the request of appendix C.4 to C.6 has it inside.
INSIDE = bytes.fromhex("01b3747631")
CUTS = 200


def keys(
    sender: bytes,
    recipient: bytes,
    *,
    salt: bytes = SALT,
    context: bytes | None = None,
    master: bytes = MASTER,
) -> Keys:
    return Keys(
        Secret(
            master_secret=master,
            master_salt=salt,
            sender_id=sender,
            recipient_id=recipient,
            id_context=context,
        )
    )


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (
            keys(b"", b"\1"),
            "f0910ed7295e6ad4b54fc793154302ff ffb14e093c94c9cac9471648b4f98710 4622d4dd6d944168eefb54987c",
        ),
        (
            keys(b"\0", b"\1", salt=b""),
            "321b26943253c7ffb6003b0b64d74041 e57b5635815177cd679ab4bcec9d7dda be35ae297d2dace910c52e99f9",
        ),
        (
            keys(b"", b"\1", context=CONTEXT),
            "af2a1300a5e95788b356336eeecd2b92 e39a0c7c77b43f03b4b39ab9a268699f 2ca58fb85ff1b81c0b7181b85e",
        ),
    ],
    ids=["C.1", "C.2", "C.3"],
)
def test_keys_are_derived_as_the_rfc_does(made: Keys, expected: str) -> None:
    assert [made.sender_key, made.recipient_key, made.common_iv] == [*map(bytes.fromhex, expected.split())]


@pytest.mark.parametrize(
    ("sender", "server", "header", "option", "ciphertext"),
    [
        (
            keys(b"", b"\1"),
            keys(b"\1", b""),
            Header(number=b"\x14", kid=b""),
            "0914",
            "612f1092f1776f1c1668b3825e",
        ),
        (
            keys(b"\0", b"\1", salt=b""),
            keys(b"\1", b"\0", salt=b""),
            Header(number=b"\x14", kid=b"\0"),
            "091400",
            "4ed339a5a379b0b8bc731fffb0",
        ),
        (
            keys(b"", b"\1", context=CONTEXT),
            keys(b"\1", b"", context=CONTEXT),
            Header(number=b"\x14", kid=b"", kid_context=CONTEXT),
            "19140837cbf3210017a2d3",
            "72cd7273fd331ac45cffbe55c3",
        ),
    ],
    ids=["C.4", "C.5", "C.6"],
)
def test_a_request_is_sealed_as_the_rfc_does(
    sender: Keys, server: Keys, header: Header, option: str, ciphertext: str
) -> None:
    place = Place(sender.sender_id, number_bytes(20))
    assert (header.encode().hex(), sender.seal(INSIDE, place, place).hex()) == (option, ciphertext)
    assert parse_header(bytes.fromhex(option)) == header
    assert server.open(bytes.fromhex(ciphertext), place, place) == INSIDE


@pytest.mark.parametrize(
    ("number", "option", "ciphertext"),
    [
        (None, "", "dbaad1e9a7e7b2a813d3c31524378303cdafae119106"),
        (0, "0100", "4d4c13669384b67354b2b6175ff4b8658c666a6cf88e"),
    ],
    ids=["C.7", "C.8"],
)
def test_an_answer_is_sealed_as_the_rfc_does(number: int | None, option: str, ciphertext: str) -> None:
    server, client = keys(b"\1", b""), keys(b"", b"\1")
    request = Place(b"", b"\x14")
    nonce = request if number is None else Place(b"\1", number_bytes(number))
    inside = b"\x45\xffHello World!"
    own = b"" if number is None else nonce.number
    assert (Header(number=own).encode().hex(), server.seal(inside, nonce, request).hex()) == (
        option,
        ciphertext,
    )
    assert client.open(bytes.fromhex(ciphertext), nonce, request) == inside


def test_what_was_changed_or_is_of_another_key_is_not_opened() -> None:
    client, server = keys(b"", b"\1"), keys(b"\1", b"")
    place, elsewhere = Place(b"", b"\x14"), Place(b"", b"\x15")
    sealed = client.seal(INSIDE, place, place)
    stranger = keys(b"\1", b"", master=MASTER[::-1])
    changed = bytes([sealed[0] ^ 1]) + sealed[1:]
    for by, ciphertext, request in (
        (server, changed, place),
        (server, sealed[:-1], place),
        (server, b"", place),
        (server, sealed, elsewhere),
        (stranger, sealed, place),
    ):
        with pytest.raises(SealError):
            by.open(ciphertext, request, request)
    assert MASTER.hex() not in repr(
        Secret(master_secret=MASTER, master_salt=b"", sender_id=b"", recipient_id=b"1")
    )


@given(st.binary(max_size=300))
def test_any_option_is_read_or_refused(value: bytes) -> None:
    try:
        header = parse_header(value)
    except SealError:
        return
    assert parse_header(header.encode()) == header


@pytest.mark.parametrize(
    "value", ["0914"[:2], "19140837", "0a14", "07", "0e141414141414", "2914", "8914", "0114aa"]
)
def test_an_option_cut_short_or_of_another_kind_is_refused(value: str) -> None:
    with pytest.raises(SealError):
        parse_header(bytes.fromhex(value))


@given(st.lists(st.integers(0, 100), max_size=100))
def test_no_number_is_fresh_twice(numbers: list[int]) -> None:
    window, taken = ReplayWindow(is_new=True), set[int]()
    for number in numbers:
        if window.is_fresh(number):
            assert number not in taken
            window.note(number)
            taken.add(number)
        else:
            assert number in taken or number <= max(taken) - WINDOW


def test_after_a_beginning_only_newer_numbers_are_fresh() -> None:
    window = ReplayWindow(is_new=False)
    assert not window.is_known
    window.begin(50)
    assert [number for number in range(60) if window.is_fresh(number)] == list(range(51, 60))


def test_numbers_end_before_they_are_used_again() -> None:
    numbers = SenderNumbers()
    assert numbers.is_empty
    numbers.refill(reserve(MAX_NUMBER - 1))
    assert [numbers.take(), numbers.take(), numbers.is_empty] == [MAX_NUMBER - 1, MAX_NUMBER, True]
    with pytest.raises(NumbersUsedUpError):
        reserve(MAX_NUMBER + 1)


def store(folder: Path, *, durable: bool = True) -> Store:
    return Store(
        folder / "gateway.db", {"coap": coap_directory.MIGRATIONS}, durable=durable, on_restore=(ON_RESTORE,)
    )


def _record(id_: bytes, number: int) -> bytes:
    """One line of 16 bytes: the kernel may end a killed write between two pages, and 16 divides a page."""
    record = f"{id_.hex()} {number:>10}\n".encode()
    assert len(record) == 16
    return record


async def _burn(folder: Path, used: int, cut: Callable[[], None]) -> None:
    """Use numbers of `ep1` one after another, each written down as it goes on the wire, until cut."""
    kept, ready = store(folder), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(kept.run(ready.set))
        await ready.wait()
        keys_ = CoapKeys(kept)
        await keys_.load()
        if not keys_.has("ep1"):
            await keys_.make("ep1", "")
        sealed = keys_.of("ep1")
        assert sealed is not None
        cut()
        while True:
            os.write(used, _record(sealed.keys.recipient_id, await sealed.number()))
            await asyncio.sleep(0)


def _child(folder: Path, chance: random.Random) -> None:
    used = os.open(folder / "used", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    # Between the statements of a transaction, or at any instant of the loop.
    def cut() -> None:
        threading.Timer(chance.uniform(0, 0.03), os._exit, (0,)).start()

    asyncio.run(_burn(folder, used, cut))


@pytest.mark.slow
def test_no_number_is_used_twice_over_200_cuts(tmp_path: Path) -> None:
    chance = random.Random(8613)  # noqa: S311 - not a secret
    for _ in range(CUTS):
        pid = os.fork()
        if not pid:
            try:
                _child(tmp_path, chance)
            finally:
                os._exit(1)
        assert os.waitpid(pid, 0)[1] == 0
        chance.random()
    used = (tmp_path / "used").read_text().splitlines()
    assert len(set(used)) == len(used) > CUTS
    assert len({line.split()[0] for line in used}) == 1


async def test_one_write_serves_many_numbers(tmp_path: Path, serve: Serve) -> None:
    kept = store(tmp_path)
    async with serve(kept):
        keys_ = CoapKeys(kept)
        await keys_.make("ep1", "")
        sealed = keys_.of("ep1")
        assert sealed is not None
        before = await kept.read(lambda db: db.execute("PRAGMA data_version").fetchone()[0])
        numbers = [await sealed.number() for _ in range(STEP)]
        reserved = await kept.read(lambda db: db.execute("SELECT reserved FROM coap_key").fetchone()[0])
        assert (numbers, reserved) == (list(range(STEP)), STEP)
        after = await kept.read(lambda db: db.execute("PRAGMA data_version").fetchone()[0])
        assert after - before == 1


async def test_a_copy_that_came_back_goes_on_far_ahead(tmp_path: Path, serve: Serve) -> None:
    kept = store(tmp_path)
    async with serve(kept):
        await CoapKeys(kept).make("ep1", "")
    kept = store(tmp_path)
    async with serve(kept):  # its start makes the copy
        keys_ = CoapKeys(kept)
        await keys_.load()
        sealed = keys_.of("ep1")
        assert sealed is not None
        before = max([await sealed.number() for _ in range(200)])
    (tmp_path / "gateway.db").write_bytes(b"worn out flash" * 100)
    kept = store(tmp_path)
    async with serve(kept):
        assert kept.recovered is not None
        keys_ = CoapKeys(kept)
        await keys_.load()
        sealed = keys_.of("ep1")
        assert sealed is not None
        assert await sealed.number() >= AFTER_RESTORE > before


async def test_without_a_durable_store_nothing_is_sealed(tmp_path: Path, serve: Serve) -> None:
    kept = store(tmp_path)
    async with serve(kept):
        await CoapKeys(kept).make("ep1", "")
    kept = store(tmp_path, durable=False)
    async with serve(kept):
        keys_ = CoapKeys(kept)
        await keys_.load()
        sealed = keys_.of("ep1")
        assert sealed is not None
        with pytest.raises(NumbersForgottenError):
            await sealed.number()
        with pytest.raises(NumbersForgottenError):
            await keys_.make("ep2", "")


async def test_credentials_are_made_once_and_work_no_more_when_taken_away(
    tmp_path: Path, serve: Serve
) -> None:
    kept = store(tmp_path)
    async with serve(kept):
        keys_ = CoapKeys(kept)
        key, given = await keys_.make("ep1", "Cellar")
        with pytest.raises(KeyTakenError):
            await keys_.make("ep1", "")
        sealed = keys_.of("ep1")
        assert sealed is not None
        assert keys_.by_id(given.sender_id) is sealed
        assert (key.label, given.master_secret.hex() in repr(given)) == ("Cellar", False)
        await keys_.revoke("ep1")
        assert (keys_.all, keys_.of("ep1"), keys_.by_id(given.sender_id)) == ((), None, None)
        with pytest.raises(UnknownKeyError):
            await sealed.number()
        with pytest.raises(UnknownKeyError):
            await keys_.revoke("ep1")
        again = CoapKeys(kept)
        await again.load()
        assert again.all == ()
