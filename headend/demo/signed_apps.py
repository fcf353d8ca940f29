"""The demo's signed repository of apps and line-up, made with the operator's own tools.

One rule: it is made once and then only added to, as an operator's is, because
boxes remember its root of trust.  Its keys lie open beside it: it is a demo.
"""

from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.trust.lineups import EVERYWHERE
from gateway.trust.manifest import MANIFEST_NAME
from headend import bundle, ceremony, lineup, publish
from headend.ceremony import Publisher, Validity
from headend.errors import VersionTakenError
from headend.keys import KeyRing
from headend.lineup import Wishes
from headend.repository import Repository


@dataclass(frozen=True, slots=True)
class Published:
    """What the repository offers now.

    Attributes:
        root_of_trust: The file the box is given.
        apps: Ids of the apps offered.
        refused: Why a bundle is not offered anew, one line each.
    """

    root_of_trust: Path
    apps: tuple[str, ...]
    refused: tuple[str, ...]


def publish_all(bundles: Path, folder: Path) -> Published:
    """Build, sign and publish every app below `bundles`.

    Args:
        bundles: Folder of unpacked bundles, one folder each.
        folder: Ours; gets ``repo/``, ``keys/`` and ``built/``.
    """
    repository = Repository(folder / "repo")
    ring = KeyRing(folder / "keys", None)
    validity = Validity()
    if not repository.root_of_trust.exists():
        ceremony.create(repository, ring, validity)
    built = folder / "built"
    built.mkdir(parents=True, exist_ok=True)
    apps: list[str] = []
    refused: list[str] = []
    for source in sorted(path.parent for path in bundles.glob(f"*/{MANIFEST_NAME}")):
        archive = built / f"{source.name}.zip"
        try:
            manifest = bundle.build(source, archive)
            _admit(repository, ring, manifest.id, validity)
            publish.stage_bundle(repository, ring, archive, validity)
        except VersionTakenError as error:
            # The published version goes on; a changed bundle needs a new version number.
            refused.append(error.line())
        except GatewayError as error:
            refused.append(error.line())
            continue
        apps.append(source.name)
    ceremony.publish(repository, ring, validity)
    return Published(repository.root_of_trust, tuple(apps), tuple(refused))


def publish_line_up(folder: Path, text: str) -> None:
    """Sign and publish the list `text` for boxes everywhere; the same one again gets a fresh date.

    Args:
        folder: Where `publish_all` has put the repository.
        text: The demo's own list, which has no faults.
    """
    repository = Repository(folder / "repo")
    ring = KeyRing(folder / "keys", None)
    validity = Validity()
    if not ceremony.admits(repository, "lineup"):
        ceremony.admit_line_ups(repository, ring, validity)
        ceremony.publish(repository, ring, validity)
    lineup.stage(repository, ring, lineup.check_text(text), Wishes(area=EVERYWHERE), validity)
    ceremony.publish(repository, ring, validity)


def _admit(repository: Repository, ring: KeyRing, app: str, validity: Validity) -> None:
    """Let somebody publish under the first two parts of the app's id."""
    prefix = ".".join(app.split(".")[:2]) + "."
    if any(app.startswith(publisher.prefix) for publisher in ceremony.publishers(repository)):
        return
    name = prefix.strip(".").replace(".", "-").replace("_", "-")
    ceremony.add_publisher(repository, ring, Publisher(name=name, prefix=prefix), validity)
    ceremony.publish(repository, ring, validity)
