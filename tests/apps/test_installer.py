import asyncio
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, TargetFile, Targets

from gateway.apps.catalog import Catalog
from gateway.apps.errors import UnknownAppError
from gateway.apps.installer import REPOSITORY, Installer, UpdatesConfig
from gateway.apps.repository import SignedRepository
from gateway.schema import SchemaError, decode
from gateway.supervisor import Service
from gateway.trust.manifest import AppId
from gateway.trust.offers import Listing, Offer, Refused
from headend.ceremony import Validity, create
from headend.ceremony import publish as make_public
from headend.keys import KeyRing
from headend.repository import Repository, in_days, sign

HELLO = AppId("com.example.hello")
ROLE = "publisher-example"

Serve = Callable[[Service], AbstractAsyncContextManager[None]]
Publish = Callable[..., Path]


class SlowRepository:
    """See `gateway.apps.repository.Repository`.  Brings one bundle, but only when it is let go.

    Attributes:
        asked: Set when the box waits for the bundle.
        go: What it waits for.
    """

    def __init__(self, archive: Path) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self._archive = archive

    async def listing(self) -> Listing:
        path = f"apps/{HELLO}/1.1.0.zip"
        offer = Offer(app=HELLO, version="1.1.0", path=path, length=1, sha256="", publisher=ROLE)
        return Listing(offers=[offer], refused=[])

    async def fetch(self, offers: Sequence[Offer], into: Path) -> Sequence[Refused | None]:
        self.asked.set()
        await self.go.wait()
        into.mkdir(parents=True)
        shutil.copy(self._archive, into / "0.zip")
        return [None for _ in offers]


def outcome(installer: Installer, app: AppId = HELLO) -> tuple[str | None, str | None, str | None]:
    """What is installed, what is offered, and the code of the refusal."""
    record = installer.records[app]
    return record.installed, record.available, record.refused_code


def change_publisher(
    operator: Repository,
    ring: KeyRing,
    change: Callable[[Targets], object],
    *,
    validity: Validity | None = None,
) -> None:
    """Sign something as the publisher that `headend` itself would refuse to sign."""
    metadata = operator.working(ROLE, Targets)
    change(metadata.signed)
    delegations = operator.published("targets", Targets).signed.delegations
    assert delegations is not None
    assert delegations.roles is not None
    sign(metadata, delegations.roles[ROLE], delegations.keys, ring)
    operator.stage(ROLE, metadata)
    make_public(operator, ring, validity or Validity())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_published_app_is_installed(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer
) -> None:
    archive = publish("1.0.0")
    async with serve(catalog):
        assert await installer.check()
        app = catalog.get(HELLO)
    assert outcome(installer) == ("1.0.0", "1.0.0", None)
    with zipfile.ZipFile(archive) as opened:
        assert contents(app.folder) == {name: opened.read(name) for name in opened.namelist()}


async def test_a_newer_version_takes_the_place_of_the_older(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer
) -> None:
    publish("1.9.0")
    async with serve(catalog):
        await installer.check()
        old = catalog.get(HELLO).folder
        publish("1.10.0")
        await installer.check()
        assert catalog.get(HELLO).version == "1.10.0"
        assert not old.exists()


async def test_an_open_app_keeps_its_files_over_an_update(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        old = catalog.get(HELLO)
        with catalog.hold(old):
            publish("1.1.0")
            await installer.check()
            assert (old.folder / "index.html").exists()
        await installer.check()
        assert not old.folder.exists()


async def test_a_bundle_with_one_byte_changed_is_refused(
    serve: Serve, publish: Publish, operator: Repository, catalog: Catalog, installer: Installer
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        before = contents(catalog.get(HELLO).folder)
        publish("1.1.0")
        [stored] = operator.targets.rglob("*.1.1.0.zip")
        data = bytearray(stored.read_bytes())
        data[len(data) // 2] ^= 1
        stored.write_bytes(data)
        await installer.check()
        assert outcome(installer) == ("1.0.0", "1.1.0", "TRUST-103")
        assert contents(catalog.get(HELLO).folder) == before


async def test_a_signed_older_version_is_refused(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    ring: KeyRing,
    catalog: Catalog,
    installer: Installer,
) -> None:
    publish("1.0.0")
    publish("2.0.0")
    async with serve(catalog):
        await installer.check()
        change_publisher(
            operator, ring, lambda signed: signed.targets.pop(f"apps/{HELLO}/2.0.0.zip") and None
        )
        await installer.check()
        assert outcome(installer) == ("2.0.0", "1.0.0", "TRUST-104")
        assert catalog.get(HELLO).version == "2.0.0"


async def test_the_whole_repository_of_last_week_is_refused(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    tmp_path: Path,
    catalog: Catalog,
    installer: Installer,
) -> None:
    publish("1.0.0")
    shutil.copytree(operator.metadata, tmp_path / "last-week")
    publish("2.0.0")
    async with serve(catalog):
        await installer.check()
        shutil.rmtree(operator.metadata)
        shutil.copytree(tmp_path / "last-week", operator.metadata)
        await installer.check()
        assert outcome(installer) == ("2.0.0", None, "TRUST-104")
        assert catalog.get(HELLO).version == "2.0.0"


async def test_an_expired_repository_is_refused(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    ring: KeyRing,
    catalog: Catalog,
    installer: Installer,
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        publish("1.1.0")
        operator.refresh_timestamp(ring, expires=datetime(2020, 1, 1, tzinfo=UTC))
        await installer.check()
        assert outcome(installer) == ("1.0.0", None, "TRUST-102")
        assert catalog.get(HELLO).version == "1.0.0"


async def test_a_publisher_cannot_offer_the_app_of_another(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    ring: KeyRing,
    catalog: Catalog,
    installer: Installer,
) -> None:
    archive = publish("1.0.0")
    stranger = TargetFile.from_file("apps/org.village.affairs/1.0.0.zip", str(archive), ["sha256"])
    change_publisher(operator, ring, lambda signed: signed.targets.update({stranger.path: stranger}))
    async with serve(catalog):
        await installer.check()
        assert outcome(installer, AppId("org.village.affairs")) == (None, None, "TRUST-105")
        assert list(catalog.apps) == [HELLO]


async def test_a_bundle_signed_under_another_name_is_refused(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    ring: KeyRing,
    catalog: Catalog,
    installer: Installer,
) -> None:
    archive = publish("1.0.0")
    lie = TargetFile.from_file("apps/com.example.other/1.0.0.zip", str(archive), ["sha256"])
    operator.add_target_file(lie, archive.read_bytes())
    change_publisher(operator, ring, lambda signed: signed.targets.update({lie.path: lie}))
    async with serve(catalog):
        await installer.check()
        assert outcome(installer, AppId("com.example.other"))[2] == "TRUST-103"
        assert list(catalog.apps) == [HELLO]


async def test_a_bundle_longer_than_signed_is_refused(
    serve: Serve, publish: Publish, operator: Repository, catalog: Catalog, installer: Installer
) -> None:
    publish("1.0.0")
    [stored] = operator.targets.rglob("*.zip")
    stored.write_bytes(stored.read_bytes() + b"\0" * 1_000_000)
    async with serve(catalog):
        await installer.check()
        assert outcome(installer) == (None, "1.0.0", "TRUST-106")


async def test_endless_metadata_is_cut_off(
    serve: Serve, publish: Publish, operator: Repository, catalog: Catalog, installer: Installer
) -> None:
    publish("1.0.0")
    (operator.metadata / "timestamp.json").write_bytes(b" " * 1_000_000)
    async with serve(catalog):
        await installer.check()
        assert outcome(installer, REPOSITORY) == (None, None, "TRUST-106")


async def test_the_repository_of_a_stranger_is_refused(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    tmp_path: Path,
    catalog: Catalog,
    installer: Installer,
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        stranger = Repository(tmp_path / "stranger")
        create(stranger, KeyRing(tmp_path / "strange-keys", None), Validity())
        shutil.rmtree(operator.metadata)
        shutil.copytree(stranger.metadata, operator.metadata)
        await installer.check()
        assert outcome(installer) == ("1.0.0", None, "TRUST-103")


async def test_a_repository_that_is_not_there_changes_nothing(
    serve: Serve, publish: Publish, operator: Repository, catalog: Catalog, installer: Installer, state: Path
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        nowhere = SignedRepository("http://127.0.0.1:1/", operator.root_of_trust, state / "trust")
        away = Installer(catalog, nowhere, check_every_s=3600)
        assert not await away.check()
        assert outcome(away) == ("1.0.0", None, "TRUST-101")
        assert catalog.get(HELLO).version == "1.0.0"


async def test_a_missing_root_of_trust_is_told_as_the_boxs_own_fault(
    serve: Serve, web: str, catalog: Catalog, state: Path
) -> None:
    rootless = Installer(
        catalog, SignedRepository(web, state / "none.json", state / "trust"), check_every_s=3600
    )
    async with serve(catalog):
        await rootless.check()
    assert outcome(rootless, REPOSITORY) == (None, None, "TRUST-107")


async def test_damaged_metadata_on_the_box_heals_with_the_shipped_root(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer, state: Path
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        for path in (state / "trust").rglob("*.json"):
            path.write_bytes(b"")
        publish("1.1.0")
        await installer.check()
        assert outcome(installer) == ("1.1.0", "1.1.0", None)


async def test_an_app_with_a_program_is_refused_clearly(
    serve: Serve,
    publish: Publish,
    operator: Repository,
    ring: KeyRing,
    tmp_path: Path,
    catalog: Catalog,
    installer: Installer,
) -> None:
    archive = publish("1.0.0")
    rich = tmp_path / "rich.zip"
    with zipfile.ZipFile(archive) as plain, zipfile.ZipFile(rich, "w") as packed:
        for name in plain.namelist():
            more = b"backend: {module: app, start: lazy}\n" if name == "manifest.yaml" else b""
            packed.writestr(zipfile.ZipInfo(name), plain.read(name).replace(b"1.0.0", b"1.1.0") + more)
    target = TargetFile.from_file(f"apps/{HELLO}/1.1.0.zip", str(rich), ["sha256"])
    operator.add_target_file(target, rich.read_bytes())
    change_publisher(operator, ring, lambda signed: signed.targets.update({target.path: target}))
    async with serve(catalog):
        await installer.check()
        assert outcome(installer) == (None, "1.1.0", "APP-103")


async def test_uninstalling_leaves_no_trace_and_the_app_stays_away(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer, state: Path
) -> None:
    publish("1.0.0", files={"notes.json": '{"memory": "plum-blossom"}'})
    async with serve(catalog):
        await installer.check()
        app = catalog.get(HELLO)
        app.storage.mkdir()
        (app.storage / "key.json").write_text("plum-blossom")
        await installer.uninstall(HELLO)
        await installer.check()
        assert HELLO not in catalog.apps
    left = contents(state / "apps")
    assert list(left) == ["removed.json"]
    for needle in (HELLO.encode(), b"hello", b"plum-blossom"):
        assert needle not in left["removed.json"]
    assert [path.name for path in (state / "apps").iterdir()] == ["removed.json"]


async def test_a_removed_app_comes_back_when_someone_wants_it(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
        await installer.uninstall(HELLO)
        await installer.install(HELLO)
        assert catalog.get(HELLO).version == "1.0.0"
        with pytest.raises(UnknownAppError, match="not installed"):
            await installer.uninstall(AppId("com.example.nobody"))


async def test_an_app_can_be_removed_while_its_update_is_on_the_way(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer, state: Path
) -> None:
    publish("1.0.0")
    async with serve(catalog), asyncio.timeout(20):
        await installer.check()
        slow = SlowRepository(publish("1.1.0"))
        updating = Installer(catalog, slow, check_every_s=3600)
        async with asyncio.TaskGroup() as group:
            group.create_task(updating.check(), name="check")
            await slow.asked.wait()
            await updating.uninstall(HELLO)
            slow.go.set()
        assert HELLO not in catalog.apps
    assert [path.name for path in (state / "apps").iterdir()] == ["removed.json"]


async def test_installed_apps_are_there_again_after_a_restart(
    serve: Serve, publish: Publish, catalog: Catalog, installer: Installer, state: Path
) -> None:
    publish("1.0.0")
    async with serve(catalog):
        await installer.check()
    again = Catalog(state / "apps")
    async with serve(again):
        assert again.apps == catalog.apps


def test_a_power_cut_at_any_step_leaves_the_old_or_the_new(publish: Publish, tmp_path: Path) -> None:
    old, new = publish("1.0.0"), publish("1.1.0")
    script = Path(__file__).parent / "power_cut.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path / "cuts", old, new],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {cut["state"] for cut in report["first"]} == {"nothing", "1.1.0"}
    assert {cut["state"] for cut in report["update"]} == {"1.0.0", "1.1.0"}
    assert {cut["state"] for cut in report["remove"]} == {"1.0.0", "nothing"}
    assert all(cut["whole"] and cut["repeatable"] for cuts in report.values() for cut in cuts)
    # Never back to the old one after the new one was seen.
    states = [cut["state"] for cut in report["update"]]
    assert states == sorted(states)
    assert len(states) > 20


def test_a_power_cut_while_checking_never_locks_the_box_out(
    publish: Publish, operator: Repository, web: str, tmp_path: Path
) -> None:
    publish("1.0.0")
    publish("1.1.0")
    script = Path(__file__).parent / "power_cut_trust.py"
    done = subprocess.run(
        [sys.executable, script, tmp_path / "cuts", web, operator.root_of_trust],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert len(report) > 10
    assert all(cut == {"after": "offered and fetched"} for cut in report)


def test_a_settings_mistake_is_named() -> None:
    with pytest.raises(SchemaError, match=r"repository: 'ftp://x/' is not an http"):
        decode({"repository": "ftp://x/"}, UpdatesConfig)
    with pytest.raises(SchemaError, match=r"check_every_s: 0\.0 is outside"):
        decode({"check_every_s": 0.0}, UpdatesConfig)


def test_the_operators_metadata_stays_loadable(operator: Repository) -> None:
    """What boxes read is plain TUF: another client of the standard reads it too."""
    metadata = Metadata[Targets].from_file(str(operator.metadata / "2.targets.json"))
    assert metadata.signed.expires > in_days(300)
