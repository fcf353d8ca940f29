"""The operator's desk for tests: a real repository, served, and a box's folder to ask from."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

from tuf.api.metadata import TargetFile, Targets

from gateway.trust.asking import Asking
from gateway.trust.firmware import ROLE, SignedFirmware
from gateway.trust.offers import Fetched, FirmwareListing
from headend import ceremony, firmware
from headend.ceremony import Validity
from headend.firmware import Wishes
from headend.keys import KeyRing
from headend.repository import Repository, sign
from headend.serve import server

LATER = datetime(2099, 1, 1, tzinfo=UTC)


@dataclass
class Desk:
    """The operator's repository, served; and a box that asks."""

    repository: Repository
    ring: KeyRing
    folder: Path
    url: str

    def publish(self, image: bytes, **wishes: object) -> SignedFirmware:
        file = self.folder / "image"
        file.write_bytes(image)
        wanted = {"vendor": "ACME", "model": "L1", "hardware": ("B",), "version": "2.0", "link": "lwm2m"}
        signed = firmware.stage(
            self.repository,
            self.ring,
            file,
            Wishes(**{**wanted, "expires": LATER, **wishes}),  # type: ignore[arg-type]  # fields by name
            Validity(),
        )
        ceremony.publish(self.repository, self.ring, Validity())
        return signed

    def lie(self, path: str, content: bytes, role: str = ROLE) -> None:
        """Sign `content` as `path`, whatever it says."""
        top = self.repository.published("targets", Targets).signed.delegations
        assert top is not None
        assert top.roles is not None
        metadata = self.repository.working(role, Targets)
        target = TargetFile.from_data(path, content, ["sha256"])
        self.repository.add_target_file(target, content)
        metadata.signed.targets[path] = target
        sign(metadata, top.roles[role], top.keys, self.ring)
        self.repository.stage(role, metadata)
        ceremony.publish(self.repository, self.ring, Validity())

    @property
    def asking(self) -> Asking:
        return Asking(self.url, self.repository.root_of_trust, self.folder / "box" / "trust")

    @property
    def into(self) -> Path:
        return self.folder / "box" / "image"

    async def listing(self) -> FirmwareListing:
        errand: list[str | Path] = ["firmware", "--kept", self.folder / "box", "--model", "ACME/L1"]
        return await self.asking.ask(errand, FirmwareListing, 60)

    async def bring(self, path: str) -> Fetched:
        errand: list[str | Path] = ["image", "--kept", self.folder / "box", "--into", self.into]
        return await self.asking.ask([*errand, "--target", path], Fetched, 60)


@contextmanager
def served(folder: Path) -> Iterator[Desk]:
    """A repository that admits firmware, for the length of a block."""
    repository, ring = Repository(folder / "repo"), KeyRing(folder / "keys", None)
    ceremony.create(repository, ring, Validity())
    ceremony.admit_firmware(repository, ring, Validity())
    ceremony.publish(repository, ring, Validity())
    (folder / "box").mkdir()
    with server(repository.folder, 0) as running:
        thread = Thread(target=running.serve_forever, daemon=True)
        thread.start()
        try:
            yield Desk(repository, ring, folder, f"http://127.0.0.1:{running.server_port}/")
        finally:
            running.shutdown()
            thread.join()
