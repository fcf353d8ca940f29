from pathlib import Path

import msgspec
import pytest
from tuf.api.metadata import Targets

from gateway.trust.lineups import ROLE, SignedLineUp
from headend.__main__ import main
from headend.repository import Repository

OPEN = "--insecure-no-passphrase"
GOOD = '#EXTM3U\n#EXTINF:-1 tvg-chno="1",One\nhttp://a.example/one.m3u8\nudp://@239.0.0.1:5000\n'
FAULTY = (
    '#EXTM3U\n#EXTINF:-1 tvg-chno="1",One\nhttp://a.example/1\n'
    '#EXTINF:-1 tvg-chno="1",Two\nhttp://b.example/2\nfoo://c.example/3\n'
)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The operator's working folder, with a repository that admits line-ups."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", "repo", "--keys", "keys", OPEN]) == 0
    assert main(["lineup", "admit", "repo", "--keys", "keys", OPEN]) == 0
    assert main(["publish", "repo", "--keys", "keys", OPEN]) == 0
    (tmp_path / "good.m3u").write_text(GOOD)
    (tmp_path / "faulty.m3u").write_text(FAULTY)
    return tmp_path


def publish(file: str, *more: str, area: str = "all") -> int:
    return main(["lineup", "publish", file, "--repo", "repo", "--area", area, *more, "--keys", "keys", OPEN])


def offered(desk: Path) -> dict[str, SignedLineUp]:
    repository = Repository(desk / "repo")
    found = {}
    for path, target in repository.published(ROLE, Targets).signed.targets.items():
        [name] = target.get_prefixed_paths()
        found[path] = msgspec.json.decode((repository.targets / name).read_bytes(), type=SignedLineUp)
    return found


def test_a_good_list_is_described_by_its_channels_and_hosts(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineup", "check", str(desk / "good.m3u")]) == 0
    said = capsys.readouterr().out
    assert "1 channels 个频道" in said
    assert "host 服务器: a.example" in said
    assert "host 服务器: 239.0.0.1" in said


def test_every_fault_of_a_list_is_said_in_both_languages(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineup", "check", str(desk / "faulty.m3u")]) == 2
    said = capsys.readouterr()
    assert "第 6 行: address scheme 'foo' is not supported 不支持的地址类型" in said.out
    assert "频道号 1: One, Two" in said.out
    assert said.err.startswith("HE-106: ")


def test_a_list_of_another_country_is_read_as_the_box_reads_it(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (desk / "list.txt").write_bytes("央视,#genre#\n综合,http://a.example/1\n".encode("gb18030"))
    assert main(["lineup", "check", "list.txt"]) == 0
    assert "1 channels" in capsys.readouterr().out


@pytest.mark.parametrize(("content", "status"), [("<html>", 2), ("", 2), (None, 1)])
def test_what_is_no_list_is_one_line_with_advice(
    desk: Path, capsys: pytest.CaptureFixture[str], content: str | None, status: int
) -> None:
    if content is not None:
        (desk / "none.m3u").write_text(content)
    assert main(["lineup", "check", "none.m3u"]) == status
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_published_list_allows_its_own_hosts(desk: Path) -> None:
    assert publish("good.m3u", "--guide", "http://g.example/guide.xml") == 0
    document = offered(desk)["lineups/all/1.json"]
    assert document.hosts == ["239.0.0.1", "a.example"]
    assert (document.guide, document.text) == ("http://g.example/guide.xml", GOOD)


def test_only_a_change_makes_a_new_version(desk: Path) -> None:
    assert publish("good.m3u") == 0
    assert publish("good.m3u") == 0
    assert set(offered(desk)) == {"lineups/all/1.json"}
    assert publish("good.m3u", "--host", "*.example", "--host", "239.0.0.1") == 0
    assert publish("good.m3u", area="4403") == 0
    assert set(offered(desk)) == {"lineups/all/2.json", "lineups/4403/1.json"}


@pytest.mark.parametrize(
    ("more", "area", "code"),
    [
        (("--host", "b.example"), "all", "HE-001"),
        (("--host", "http://a.example/"), "all", "HE-001"),
        (("--guide", "guide.xml"), "all", "HE-001"),
        ((), "Shenzhen", "HE-001"),
    ],
    ids=["host missing", "host is address", "guide", "area"],
)
def test_a_wrong_wish_publishes_nothing(
    desk: Path, capsys: pytest.CaptureFixture[str], more: tuple[str, ...], area: str, code: str
) -> None:
    assert publish("good.m3u", *more, area=area) == 2
    assert capsys.readouterr().err.startswith(code)
    assert offered(desk) == {}


def test_a_faulty_list_is_published_only_by_those_who_insist(desk: Path) -> None:
    assert publish("faulty.m3u") == 2
    assert offered(desk) == {}
    assert publish("faulty.m3u", "--with-faults") == 0
    assert set(offered(desk)) == {"lineups/all/1.json"}


def test_a_repository_without_a_signer_of_line_ups_says_how_to_get_one(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["init", "other", "--keys", "others", OPEN]) == 0
    wanted = ["lineup", "publish", "good.m3u", "--repo", "other", "--area", "all", "--keys", "others", OPEN]
    assert main(wanted) == 1
    assert "HE-107" in capsys.readouterr().err
    assert (desk / "other" / "metadata" / "1.root.json").exists()


def test_line_ups_are_admitted_once_and_are_no_publisher(
    desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lineup", "admit", "repo", "--keys", "keys", OPEN]) == 2
    capsys.readouterr()
    assert main(["publisher", "list", "--repo", str(desk / "repo")]) == 0
    assert capsys.readouterr().out == ""


def test_help_has_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["lineup", "publish", "--help"])
    assert ended.value.code == 0
    assert "headend lineup publish list.m3u --repo repo --area 4403" in capsys.readouterr().out
