import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from tuf.api.metadata import Metadata, Root, Targets

from gateway.errors import GatewayError
from gateway.media.lineup import LineUp
from gateway.media.lineup_book import FROM_REPOSITORY, LineUpBook, LineUpConfig
from gateway.media.lineup_signed import SignedLineUps
from gateway.supervisor import Service
from gateway.trust.asking import Asking
from gateway.trust.lineups import ROLE, Seal
from headend import ceremony, lineup
from headend.ceremony import Validity
from headend.keys import KeyRing
from headend.lineup import Wishes
from headend.repository import Repository, in_days, sign
from headend.serve import server

Serve = Callable[[Service], AbstractAsyncContextManager[None]]

ONE = "#EXTM3U\n#EXTINF:-1,One\nhttp://a.example/one.m3u8\n"
TWO = ONE + "#EXTINF:-1,Two\nhttp://b.example/two.m3u8\n"
QUICK = LineUpConfig(signed_every_s=3600, retry_every_s=0.1)
HERE = "440305001000"


class Operator:
    """A desk with keys, a repository and a web server.

    Attributes:
        base: Where boxes find the repository.
    """

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "repository")
        self.ring = KeyRing(folder / "keys", None)
        self.root = folder / "shipped.json"
        self.base = ""
        ceremony.create(self.repository, self.ring, Validity())
        shutil.copy(self.repository.root_of_trust, self.root)
        ceremony.admit_line_ups(self.repository, self.ring, Validity())
        ceremony.publish(self.repository, self.ring, Validity())

    def publish(self, text: str, *, area: str = "all", hosts: tuple[str, ...] = (), guide: str = "") -> None:
        wishes = Wishes(area=area, hosts=hosts, guide=guide)
        lineup.stage(self.repository, self.ring, lineup.check_text(text), wishes, Validity())
        ceremony.publish(self.repository, self.ring, Validity())

    def change(self, do: Callable[[Targets], object], *, ring: KeyRing | None = None) -> None:
        """Sign what `headend` itself would refuse to sign."""
        metadata = self.repository.working(ROLE, Targets)
        do(metadata.signed)
        delegations = self.repository.published("targets", Targets).signed.delegations
        assert delegations is not None
        assert delegations.roles is not None
        sign(metadata, delegations.roles[ROLE], delegations.keys, ring or self.ring)
        self.repository.stage(ROLE, metadata)
        ceremony.publish(self.repository, self.ring, Validity())

    def replace_root(self) -> None:
        """Publish a second root of trust, with other keys for ``targets``, as after a theft."""
        root = self.repository.published("root", Root)
        before = root.signed.roles["targets"].keyids.copy()
        root.signed.version += 1
        for keyid in before:
            root.signed.revoke_key(keyid, "targets")
        for holder in ("fresh-1", "fresh-2"):
            root.signed.add_key(self.ring.make(holder).public_key, "targets")
        root.signatures.clear()
        sign(root, root.signed.roles["root"], root.signed.keys, self.ring)
        root.to_file(str(self.repository.metadata / "2.root.json"))
        top = self.repository.working("targets", Targets)
        ceremony.resign_targets(self.repository, self.ring, top, expires=in_days(30))
        ceremony.publish(self.repository, self.ring, Validity())

    def alter(self, pattern: str) -> None:
        """Change one byte of the newest file under ``targets/`` that is called so."""
        file = max(self.repository.targets.rglob(pattern), key=lambda path: path.stat().st_mtime_ns)
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path / "desk")
    with server(operator.repository.folder, 0) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        operator.base = f"http://127.0.0.1:{serving.server_port}/"
        try:
            yield operator
        finally:
            serving.shutdown()
            thread.join()


class Box:
    """A box that believes the operator.

    Attributes:
        told: Codes the household was told.
    """

    def __init__(self, operator: Operator, state: Path) -> None:
        self._operator = operator
        self.state = state
        self.kept = state / "media" / SignedLineUps.kept_name
        self.told: list[str] = []

    def book(self, *, area: str = HERE, url: str | None = None, timeout_s: float = 30.0) -> LineUpBook:
        """Return the book of one life of the box."""
        asking = Asking(url or self._operator.base, self._operator.root, self.state / "trust")
        return LineUpBook(
            FROM_REPOSITORY,
            self.state / "media",
            replace(QUICK, timeout_s=timeout_s),
            signed=SignedLineUps(asking, every_s=QUICK.signed_every_s, area=area),
            tell=self._hear,
        )

    def _hear(self, error: GatewayError) -> None:
        self.told.append(error.code)


@pytest.fixture
def box(operator: Operator, tmp_path: Path) -> Box:
    return Box(operator, tmp_path / "state")


def names(line_up: LineUp) -> list[str]:
    return [channel.name for channel in line_up.channels]


def code(book: LineUpBook) -> str | None:
    assert book.record is not None
    return book.record.refused_code


async def refused(book: LineUpBook) -> str:
    """Look again and return the code of the refusal."""
    with book.problems.subscribe() as problems:
        book.look()
        async with asyncio.timeout(30):
            return (await anext(problems)).code


async def changed(book: LineUpBook) -> LineUp:
    with book.changes.subscribe() as changes:
        book.look()
        async with asyncio.timeout(30):
            return await anext(changes)


async def test_a_signed_line_up_brings_its_hosts_and_its_guide(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE, hosts=("a.example", "*.cdn.example"), guide="http://g.example/guide.xml")
    book = box.book()
    async with serve(book):
        assert names(book.state) == ["One"]
        assert book.state.signed
        assert book.state.guide_urls == ("http://g.example/guide.xml",)
        assert book.allows("a.example")
        assert book.allows("x.cdn.example")
        assert not book.allows("evil.example")
        assert book.record is not None
        assert (book.record.installed, book.record.refused_code) == ("all/1", None)
        assert box.told == []


async def test_a_new_version_comes_live_and_stays_over_a_start_without_network(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    book = box.book()
    async with serve(book):
        operator.publish(TWO)
        assert names(await changed(book)) == ["One", "Two"]
    again = box.book(url="http://127.0.0.1:9/")
    async with serve(again):
        assert names(again.state) == ["One", "Two"]
        assert again.state.signed
        assert not again.allows("evil.example")
        assert box.told == []


async def test_the_line_up_of_the_closest_area_is_taken(operator: Operator, box: Box, serve: Serve) -> None:
    operator.publish(ONE)
    operator.publish(TWO, area="4403")
    near, far = box.book(), Box(operator, box.state / "far").book(area="110000000000")
    async with serve(near), serve(far):
        assert names(near.state) == ["One", "Two"]
        assert names(far.state) == ["One"]


async def test_an_altered_line_up_leaves_the_channels_there_were(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    book = box.book()
    async with serve(book):
        operator.publish(TWO)
        operator.alter("*.2.json")
        assert await refused(book) == "TRUST-103"
        assert names(book.state) == ["One"]
        assert code(book) == "TRUST-103"
        assert await refused(book) == "TRUST-103"
        assert box.told == ["TRUST-103"]
    again = box.book()
    async with serve(again):
        assert names(again.state) == ["One"]


async def test_an_expired_line_up_is_refused_and_the_kept_one_goes_on(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    book = box.book()
    async with serve(book):
        operator.change(lambda signed: setattr(signed, "expires", in_days(-1)))
        assert await refused(book) == "TRUST-102"
        assert names(book.state) == ["One"]
    again = box.book()
    async with serve(again):
        assert names(again.state) == ["One"]
        assert await refused(again) == "TRUST-102"
        assert code(again) == "TRUST-102"


async def test_last_weeks_repository_is_refused(operator: Operator, box: Box, serve: Serve) -> None:
    operator.publish(ONE)
    old = box.state.parent / "last-week"
    shutil.copytree(operator.repository.metadata, old)
    operator.publish(TWO)
    book = box.book()
    async with serve(book):
        shutil.rmtree(operator.repository.metadata)
        shutil.copytree(old, operator.repository.metadata)
        assert await refused(book) == "TRUST-104"
        assert names(book.state) == ["One", "Two"]


async def test_an_older_version_is_refused_even_when_it_is_signed_anew(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    first = dict(operator.repository.published(ROLE, Targets).signed.targets)
    operator.publish(TWO)
    book = box.book()
    async with serve(book):
        operator.change(lambda signed: setattr(signed, "targets", first))
        shutil.rmtree(box.state / "trust")
        assert await refused(book) == "TRUST-104"
        assert names(book.state) == ["One", "Two"]


async def test_a_line_up_by_a_strangers_key_is_refused(
    operator: Operator, box: Box, serve: Serve, tmp_path: Path
) -> None:
    operator.publish(ONE)
    book = box.book()
    async with serve(book):
        stranger = KeyRing(tmp_path / "stranger", None)
        signer = stranger.make("lineup")
        file = max(operator.repository.metadata.glob("*.lineup.json"))
        metadata = Metadata[Targets].from_file(str(file))
        metadata.signed.targets.clear()
        metadata.sign(signer)
        file.write_bytes(metadata.to_bytes())
        shutil.rmtree(box.state / "trust")
        assert await refused(book) == "TRUST-103"
        assert names(book.state) == ["One"]


@pytest.mark.parametrize("part", ["document", "role", "targets", "path"])
async def test_a_copy_altered_on_the_disk_is_not_believed_and_fetched_anew(
    operator: Operator, box: Box, serve: Serve, part: str
) -> None:
    operator.publish(ONE)
    book = box.book()
    async with serve(book):
        pass
    seal = msgspec.json.decode(box.kept.read_bytes(), type=Seal)
    forged = {
        "document": seal.document.replace(b"a.example", b"evil.example"),
        "role": seal.role.replace(b"lineups/all/1", b"lineups/all/2"),
        "targets": seal.targets.replace(b"lineup", b"linedn"),
        "path": "lineups/4403/1.json",
    }
    box.kept.write_bytes(msgspec.json.encode(msgspec.structs.replace(seal, **{part: forged[part]})))
    cut_off = box.book(url="http://127.0.0.1:9/")
    async with serve(cut_off):
        assert cut_off.state == LineUp()
        assert box.told == ["TRUST-108"]
    again = box.book()
    async with serve(again):
        assert names(again.state) == ["One"]
        assert again.state.channels[0].sources[0].url == "http://a.example/one.m3u8"
        assert code(again) is None
    once_more = box.book(url="http://127.0.0.1:9/")
    async with serve(once_more):
        assert names(once_more.state) == ["One"]


async def test_a_kept_copy_is_believed_through_a_change_of_the_root_of_trust(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    operator.replace_root()
    book = box.book()
    async with serve(book):
        assert names(book.state) == ["One"]
    seal = msgspec.json.decode(box.kept.read_bytes(), type=Seal)
    cut_off = box.book(url="http://127.0.0.1:9/")
    async with serve(cut_off):
        assert names(cut_off.state) == ["One"]
        assert box.told == []

    forged = seal.roots[-1].replace(b'"threshold":2', b'"threshold":1')
    assert forged != seal.roots[-1]
    for roots in ([forged], []):
        box.told.clear()
        box.kept.write_bytes(msgspec.json.encode(msgspec.structs.replace(seal, roots=roots)))
        again = box.book(url="http://127.0.0.1:9/")
        async with serve(again):
            assert again.state == LineUp()
            assert box.told == ["TRUST-108"]


@pytest.mark.parametrize("spoilt", [b"", b"{}", b"\xff\xfe", b"#EXTM3U\n"])
async def test_a_copy_that_is_no_copy_is_not_believed(
    operator: Operator, box: Box, serve: Serve, spoilt: bytes
) -> None:
    operator.publish(ONE)
    box.kept.parent.mkdir(parents=True)
    box.kept.write_bytes(spoilt)
    book = box.book()
    async with serve(book):
        assert names(book.state) == ["One"]
        assert box.told == ["TRUST-108"]


async def test_an_area_without_a_line_up_is_named(operator: Operator, box: Box, serve: Serve) -> None:
    operator.publish(ONE, area="11")
    book = box.book()
    async with serve(book):
        assert code(book) == "TRUST-109"
        assert book.state == LineUp()


async def test_a_box_that_starts_before_its_network_gets_its_signed_channels_later(
    operator: Operator, box: Box, serve: Serve
) -> None:
    operator.publish(ONE)
    hidden = operator.repository.folder / "hidden"
    operator.repository.metadata.rename(hidden)
    book = box.book()
    async with serve(book):
        assert book.state == LineUp()
        assert box.told == []
        with book.changes.subscribe() as changes:
            hidden.rename(operator.repository.metadata)
            async with asyncio.timeout(30):
                assert names(await anext(changes)) == ["One"]


async def test_a_repository_that_never_answers_does_not_hold_up_a_new_box(box: Box, serve: Serve) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    mute = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with mute:
        book = box.book(url=f"http://127.0.0.1:{mute.sockets[0].getsockname()[1]}/", timeout_s=0.2)
        async with asyncio.timeout(8), serve(book):  # the fetcher itself would wait for fifteen seconds
            assert book.state == LineUp()
            assert box.told == []
