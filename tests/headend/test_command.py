import hashlib
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

from headend.__main__ import main
from headend.repository import Repository

MANIFEST = """\
schema: 1
id: {app}
version: {version}
name: {{zh-CN: 你好, en: Hello}}
icon: icon.svg
color: "#1676a8"
entry: {{tv: index.html}}
"""
OPEN = "--insecure-no-passphrase"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def ready(desk: Path) -> Path:
    """A repository with the publisher of ``com.example.``."""
    assert main(["init", "repo", "--keys", "keys", OPEN]) == 0
    publisher = ["publisher", "add", "example", "--prefix", "com.example.", "--repo", "repo"]
    assert main([*publisher, "--keys", "keys", OPEN]) == 0
    assert main(["publish", "repo", "--keys", "keys", OPEN]) == 0
    return desk


def source(folder: Path, version: str = "1.0.0", app: str = "com.example.hello") -> Path:
    place = folder / f"{app}-{version}"
    place.mkdir()
    (place / "manifest.yaml").write_text(MANIFEST.format(app=app, version=version))
    (place / "icon.svg").write_text("<svg/>")
    (place / "index.html").write_text("<!doctype html>")
    return place


def built(folder: Path, version: str = "1.0.0", app: str = "com.example.hello") -> str:
    out = folder / f"{app}-{version}.zip"
    assert main(["build", str(source(folder, version, app)), "-o", str(out)]) == 0
    return str(out)


def offered(folder: Path) -> set[str]:
    return set(Repository(folder / "repo").published("publisher-example", Targets).signed.targets)


def test_from_nothing_to_a_published_app(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = built(ready)
    assert main(["sign", "repo", archive, "--keys", "keys", OPEN]) == 0
    assert offered(ready) == set()
    assert main(["publish", "repo", "--keys", "keys", OPEN]) == 0
    assert offered(ready) == {"apps/com.example.hello/1.0.0.zip"}
    digest = hashlib.sha256(Path(archive).read_bytes()).hexdigest()
    assert (ready / "repo" / "targets" / "apps" / "com.example.hello" / f"{digest}.1.0.0.zip").exists()
    assert "signed com.example.hello 1.0.0" in capsys.readouterr().out


def test_the_same_sources_make_the_same_bytes(desk: Path) -> None:
    folder = source(desk)
    assert main(["build", str(folder), "-o", "one.zip"]) == 0
    copy = shutil.copytree(folder, desk / "copy")
    for path in copy.iterdir():
        os.utime(path, (1, 1))
        path.chmod(0o600)
    assert main(["build", str(copy), "-o", "two.zip"]) == 0
    assert (desk / "one.zip").read_bytes() == (desk / "two.zip").read_bytes()


def test_keys_are_for_their_owner_only_and_behind_a_passphrase(desk: Path) -> None:
    (desk / "pass.txt").write_text("long and secret\n")
    assert main(["init", "repo", "--keys", "keys", "--passphrase-file", "pass.txt"]) == 0
    for path in (desk / "keys").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert b"ENCRYPTED" in path.read_bytes()
    assert main(["timestamp", "repo", "--keys", "keys", "--passphrase-file", "pass.txt"]) == 0


@pytest.mark.parametrize("passphrase", ["wrong", ""])
def test_a_wrong_passphrase_opens_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], passphrase: str
) -> None:
    (desk / "pass.txt").write_text("long and secret\n")
    main(["init", "repo", "--keys", "keys", "--passphrase-file", "pass.txt"])
    (desk / "pass.txt").write_text(passphrase)
    capsys.readouterr()
    status = main(["timestamp", "repo", "--keys", "keys", "--passphrase-file", "pass.txt"])
    assert status == (1 if passphrase else 2)
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["timestamp", "repo", "--keys", "keys", OPEN]) == 1


def test_one_stolen_key_cannot_admit_a_publisher(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    thief = ready / "thief"
    thief.mkdir()
    for name in ("targets-1.pem", "snapshot.pem", "timestamp.pem"):
        shutil.copy(ready / "keys" / name, thief / name)
    publisher = ["publisher", "add", "evil", "--prefix", "org.evil.", "--repo", "repo", OPEN]
    assert main([*publisher, "--keys", "thief"]) == 0
    before = Repository(ready / "repo").published("targets", Targets).signed.version
    capsys.readouterr()
    assert main(["publish", "repo", "--keys", "thief", OPEN]) == 1
    assert capsys.readouterr().err.startswith("HE-103: targets has 1 of 2 signatures.")
    assert Repository(ready / "repo").published("targets", Targets).signed.version == before


def test_a_second_key_holder_completes_the_signatures(ready: Path) -> None:
    first, second = ready / "first", ready / "second"
    for folder, name in ((first, "targets-1.pem"), (second, "targets-2.pem")):
        folder.mkdir()
        shutil.copy(ready / "keys" / name, folder / name)
    assert (
        main(["publisher", "add", "n", "--prefix", "org.n.", "--repo", "repo", "--keys", "first", OPEN]) == 0
    )
    assert main(["sign", "repo", "--role", "targets", "--keys", "second", OPEN]) == 0
    assert main(["publish", "repo", "--keys", "keys", OPEN]) == 0
    delegations = Repository(ready / "repo").published("targets", Targets).signed.delegations
    assert delegations is not None
    assert set(delegations.roles or {}) == {"publisher-example", "publisher-n"}


@pytest.mark.parametrize(
    "prefix", ["com.example.", "com.example.sub.", "com.", "example", "Com.Example.", "a.*."]
)
def test_a_prefix_belongs_to_one_publisher(
    ready: Path, capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    assert ready
    status = main(["publisher", "add", "other", "--prefix", prefix, "--repo", "repo", "--keys", "keys", OPEN])
    assert status == 2
    assert capsys.readouterr().err.startswith("HE-")


def test_an_app_outside_every_prefix_is_not_signed(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archive = built(ready, app="net.stranger.app")
    assert main(["publish", "repo", archive, "--keys", "keys", OPEN]) == 2
    assert capsys.readouterr().err.startswith("HE-104: no publisher owns net.stranger.app.")


def test_a_published_version_never_changes_or_goes_back(ready: Path) -> None:
    assert main(["publish", "repo", built(ready, "1.1.0"), "--keys", "keys", OPEN]) == 0
    assert main(["publish", "repo", built(ready, "1.0.0"), "--keys", "keys", OPEN]) == 2
    other = ready / "other"
    other.mkdir()
    changed = source(other, "1.1.0")
    (changed / "index.html").write_text("changed")
    assert main(["build", str(changed), "-o", "changed.zip"]) == 0
    assert main(["publish", "repo", "changed.zip", "--keys", "keys", OPEN]) == 2
    assert offered(ready) == {"apps/com.example.hello/1.1.0.zip"}


def test_a_repository_can_be_made_to_expire(ready: Path) -> None:
    when = "2020-01-01T00:00:00Z"
    assert main(["timestamp", "repo", "--keys", "keys", OPEN, "--expires", when]) == 0
    timestamp = Metadata[Timestamp].from_file(str(ready / "repo" / "metadata" / "timestamp.json")).signed
    assert timestamp.is_expired()
    assert main(["publish", "repo", "--keys", "keys", OPEN, "--expires", "3d"]) == 0
    assert not Repository(ready / "repo").published("snapshot", Snapshot).signed.is_expired()


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("manifest.yaml", "schema: 1\ncolour: red\n", "APP-102"),
        ("manifest.yaml", ": : :", "APP-102"),
        ("backend.txt", "", ""),
        ("gateway-sdk.js", "mine", "APP-101"),
        ("name with space.txt", "x", "APP-101"),
    ],
)
def test_wrong_sources_are_refused_and_nothing_is_written(
    desk: Path, capsys: pytest.CaptureFixture[str], name: str, text: str, code: str
) -> None:
    folder = source(desk)
    (folder / name).write_text(text)
    status = main(["build", str(folder), "-o", "out.zip"])
    assert status == (2 if code else 0)
    assert capsys.readouterr().err.startswith(code)
    assert sorted(path.name for path in desk.iterdir() if path.suffix in {".zip", ".unchecked"}) == (
        [] if code else ["out.zip"]
    )


def test_a_link_in_the_sources_is_refused(desk: Path) -> None:
    folder = source(desk)
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    assert main(["build", str(folder), "-o", "out.zip"]) == 2


def test_commands_that_do_not_exist_are_wrong_use(desk: Path) -> None:
    assert desk
    for words in (
        [],
        ["rollout"],
        ["firmware"],
        ["lineup"],
        ["init"],
        ["timestamp", "r", "--expires", "soon"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2


def test_a_repository_is_not_made_twice(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ready
    assert main(["init", "repo", "--keys", "more-keys", OPEN]) == 1
    assert capsys.readouterr().err.startswith("HE-101: repo holds a repository already.")
    assert main(["publish", "nowhere", "--keys", "keys", OPEN]) == 1


def test_serving_shows_what_is_public_and_nothing_else(ready: Path) -> None:
    assert main(["publish", "repo", built(ready), "--keys", "keys", OPEN]) == 0
    command = [sys.executable, "-m", "headend", "serve", "repo", "--port", "0"]
    with subprocess.Popen(
        command, cwd=ready, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            address = serving.stdout.readline().strip()
            with urllib.request.urlopen(f"{address}metadata/timestamp.json", timeout=10) as answer:  # noqa: S310 - loopback
                assert answer.status == 200
            (ready / "repo" / "hidden.json").write_text("{}")
            around = ("metadata/../hidden.json", "targets/%2e%2e/hidden.json", "hidden.json")
            beyond = ("../keys/root-1.pem", "keys/root-1.pem")
            for hidden in ("staged/targets.json", "metadata/", "metadata", "", *around, *beyond):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(address + hidden, timeout=10)  # noqa: S310 - loopback
                refused.value.close()
                assert refused.value.code == 404
        finally:
            serving.terminate()


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    assert "headend publish repo" in capsys.readouterr().out
