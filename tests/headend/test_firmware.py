from pathlib import Path

import pytest
from tuf.api.metadata import Targets

from gateway.trust.firmware import ROLE, SignedFirmware, read_signed
from headend.__main__ import main
from headend.repository import Repository

OPEN = "--insecure-no-passphrase"
ACME = ("--vendor", "ACME", "--model", "灯 L1/b", "--link", "lwm2m")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's working folder, with a repository that admits firmware."""
    monkeypatch.chdir(tmp_path)
    for command in (["init"], ["firmware", "admit"], ["publish"]):
        assert main([*command, "repo", "--keys", "keys", OPEN]) == 0
    (tmp_path / "lamp.bin").write_bytes(b"image" * 100)
    return tmp_path


def publish(*more: str, file: str = "lamp.bin") -> int:
    return main(["firmware", "publish", file, "--repo", "repo", *ACME, *more, "--keys", "keys", OPEN])


def offered(desk: Path) -> dict[int, SignedFirmware]:
    repository = Repository(desk / "repo")
    found = {}
    for path, target in repository.published(ROLE, Targets).signed.targets.items():
        if path.endswith(".json"):
            [name] = target.get_prefixed_paths()
            manifest = read_signed((repository.targets / name).read_bytes(), path)
            found[manifest.sequence] = manifest
    return found


def test_an_image_is_published_for_the_revisions_it_is_for(desk: Path) -> None:
    assert publish("--version", "2.1", "--hardware", "B", "--hardware", "A") == 0
    [manifest] = offered(desk).values()
    assert (manifest.vendor, manifest.model, manifest.hardware) == ("ACME", "灯 L1/b", ["A", "B"])
    assert (manifest.sequence, manifest.size) == (1, 500)


def test_a_newer_image_takes_the_place_of_the_older_one_for_the_same_revisions_only(desk: Path) -> None:
    assert publish("--version", "2.1", "--hardware", "A") == 0
    assert publish("--version", "2.2", "--hardware", "B") == 0
    assert publish("--version", "2.3", "--hardware", "A") == 0
    assert {each.version for each in offered(desk).values()} == {"2.2", "2.3"}
    # A step that needs the one before leaves it there.
    assert publish("--version", "3.0", "--hardware", "A", "--minimum-installed", "2.3") == 0
    assert {each.version for each in offered(desk).values()} == {"2.2", "2.3", "3.0"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--version", ""), "HE-001"),
        (("--version", "2", "--minimum-installed", "old"), "HE-001"),
        (("--version", "2", "--sequence", "1"), "HE-105"),
        (("--version", "2", "--hardware", "x" * 65), "HE-001"),
    ],
    ids=["no version", "no number", "sequence used", "long revision"],
)
def test_a_wrong_wish_publishes_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], code: str
) -> None:
    assert publish("--version", "1") == 0
    before = offered(desk)
    assert publish(*more) == 2
    assert capsys.readouterr().err.startswith(code)
    assert offered(desk) == before


def test_without_the_role_nothing_is_signed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--keys", str(tmp_path / "keys"), OPEN]
    image = tmp_path / "image"
    image.write_bytes(b"image")
    assert main(["init", str(tmp_path / "repo"), *keys]) == 0
    wanted = ["--repo", str(tmp_path / "repo"), *ACME, "--version", "1"]
    assert main(["firmware", "publish", str(image), *wanted, *keys]) == 1
    assert capsys.readouterr().err.startswith("HE-108")
