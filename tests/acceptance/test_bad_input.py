"""What is wrong is one clear line or one problem document, and costs nothing else."""

import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from gateway.ui.auth import Access
from tests.acceptance.box import Box, box_at
from tests.acceptance.started import ROOT, Popen, end, environment, free_ports, started, until
from tests.media.player_fixtures import framebuffer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

LINE = r"{code}: [^\n]+\. [^\n]+[.。]"
DONE, FAILED, WRONG_USE = 0, 1, 2
LINE_UP = """\
#EXTM3U
#EXTINF:-1 tvg-id="one" tvg-chno="1",One
http://127.0.0.1:9/one.m3u8
#EXTINF:-1 tvg-id="two" tvg-chno="2",Two
gopher//no address at all
#EXTINF:-1 tvg-id="three" tvg-chno="3",Three
http://127.0.0.1:9/three.m3u8
"""


@dataclass(frozen=True)
class Said:
    """How a command ended.

    Attributes:
        errors: Its standard error, without the diary of the log.
    """

    code: int
    errors: list[str]


def run(*arguments: str | Path, env: Mapping[str, str] | None = None, before: Sequence[str] = ()) -> Said:
    """Run a ``gateway`` command that is expected to end by itself."""
    argv = [*before, sys.executable, "-m", "gateway", *map(str, arguments)]
    done = subprocess.run(
        argv, env=env or environment(), capture_output=True, text=True, timeout=90, cwd=ROOT, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    diary = re.compile(r"(INFO|WARNING|ERROR|DEBUG) +[\w.]+: ")
    return Said(done.returncode, [line for line in done.stderr.splitlines() if not diary.match(line)])


def is_one_line(said: Said, code: str) -> bool:
    """Whether it said what happened and what to do, and nothing else."""
    return len(said.errors) == 1 and re.fullmatch(LINE.format(code=code), said.errors[0]) is not None


@dataclass
class Plain:
    """A box of a test's own, with no head-end and no devices.

    Attributes:
        sections: Its ``gateway.yaml``.
    """

    folder: Path
    sections: dict[str, dict[str, object]]
    port: int

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def log(self) -> str:
        return (self.folder / "box.log").read_text(errors="replace")

    def configured(self) -> Path:
        """Write the configuration; return the file."""
        file = self.folder / "gateway.yaml"
        file.write_bytes(msgspec.yaml.encode(self.sections))
        return file

    @contextmanager
    def running(self, env: Mapping[str, str] | None = None, *, before: Sequence[str] = ()) -> Iterator[Popen]:
        """Run it until the page answers."""
        argv: list[str | Path] = [*before, sys.executable, "-m", "gateway", "run"]
        argv += ["--config", self.configured(), "--state", self.state]
        with started(argv, self.folder / "box.log", env) as process:

            def up() -> bool:
                assert process.poll() is None, self.log
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", self.port)) == 0

            until(up, "the page")
            yield process

    @asynccontextmanager
    async def talking(self, token: str | None = None) -> AsyncIterator[Box]:
        """Be a client of it."""
        own = Access(self.state / "token").token() if token is None else token
        async with box_at(self.port, own) as box:
            yield box


@pytest.fixture
def plain(tmp_path: Path) -> Plain:
    """A box that can be run."""
    ports = free_ports()
    sections: dict[str, dict[str, object]] = {
        "broker": {"port": ports.broker, "tls": False},
        "iot": {"coap": {"port": ports.coap}},
        "ui": {"port": ports.page},
        "apps": {"port": ports.apps},
    }
    return Plain(tmp_path, sections, ports.page)


@contextmanager
def taken(kind: socket.SocketKind = socket.SOCK_STREAM) -> Iterator[int]:
    """Hold a port as another program would."""
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            other.listen()
        yield int(other.getsockname()[1])


def hiding(folder: Path, *files: Path) -> list[str]:
    """Return what a command line begins with to run where `files` are of no use.

    They are found beyond any environment variable, so a name space of its own hides them.
    """
    empty = folder / "empty"
    empty.touch(mode=0o600)
    hide = " && ".join(f"mount --bind {empty} {file.resolve()}" for file in files)
    apart = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{hide} && exec "$@"', "sh"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no name spaces")
    return apart


def without(program: str, folder: Path) -> dict[str, str]:
    """Return an environment in which everything but `program` is found."""
    folder.mkdir()
    for place in reversed(environment()["PATH"].split(":")):
        for each in Path(place).glob("*"):
            if each.name != program:
                (folder / each.name).unlink(missing_ok=True)
                (folder / each.name).symlink_to(each)
    return environment(PATH=str(folder))


def test_an_unknown_key_is_named_with_its_path(plain: Plain) -> None:
    plain.sections["media"] = {"line_upp": "x"}
    said = run("run", "--config", plain.configured(), "--state", plain.state)
    assert said.code == WRONG_USE
    assert is_one_line(said, "CFG-001"), said
    assert "media.line_upp" in said.errors[0]
    plain.sections["ui"] = {"port": 99_999}
    checked = run("check-config", plain.configured())
    assert checked.code == WRONG_USE
    assert sorted(line.partition(":")[0] for line in checked.errors) == ["media.line_upp", "ui.port"]
    assert not plain.state.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "exit_code"),
    [
        (("run", "--config", "/nowhere/gateway.yaml"), "CFG-002", WRONG_USE),
        (("run", "--port", "none"), "GW-004", WRONG_USE),
        (("fly",), "GW-004", WRONG_USE),
        (("run", "--board", "toaster"), "HW-101", WRONG_USE),
        (("run", "--state", "/dev/null/state"), "SUP-104", WRONG_USE),
        (("demo", "--port", "65535"), "DEMO-107", WRONG_USE),
    ],
    ids=["missing file", "no port", "no command", "no board", "no folder", "no room for ports"],
)
def test_wrong_use_is_one_line(arguments: tuple[str, ...], code: str, exit_code: int) -> None:
    said = run(*arguments)
    assert is_one_line(said, code), said
    assert said.code == exit_code


async def test_a_missing_line_up_leaves_a_box_without_channels(plain: Plain) -> None:
    plain.sections["media"] = {"line_up": str(plain.folder / "nowhere.m3u")}
    with plain.running():
        async with plain.talking() as box:
            assert await box.get("channels") == []
            answer = await box.call("POST", "keys", {"key": "channel_up"})
            assert answer.document["code"] == "TV-403"
            until(lambda: "TV-101" in plain.log, "the reason in the log")
            report = await box.get("/healthz")
    assert report["services"]["line-up"] == "failed"
    told = [line for line in plain.log.splitlines() if "TV-101" in line]
    assert len(told) == 1, plain.log
    assert re.search(LINE.format(code="TV-101"), told[0])


async def test_a_line_that_cannot_be_read_is_skipped_and_counted(plain: Plain) -> None:
    (plain.folder / "lineup.m3u").write_text(LINE_UP)
    plain.sections["media"] = {"line_up": str(plain.folder / "lineup.m3u")}
    with plain.running():
        async with plain.talking() as box:
            channels = await box.until("channels", len)
        assert [channel["name"] for channel in channels] == ["One", "Three"]
        until(lambda: re.search(r"\bline 5\b", plain.log), "the line's number in the log")


async def test_a_taken_page_port_is_said_and_nothing_is_left(plain: Plain) -> None:
    with taken() as port:
        plain.sections["ui"] = {"port": port}
        said = run("run", "--config", plain.configured(), "--state", plain.state)
    assert is_one_line(said, "UI-101"), said
    assert said.code == FAILED
    assert str(port) in said.errors[0]


async def test_a_taken_broker_port_costs_the_home_and_not_the_television(plain: Plain) -> None:
    (plain.folder / "lineup.m3u").write_text(LINE_UP)
    plain.sections["media"] = {"line_up": str(plain.folder / "lineup.m3u")}
    with taken() as port:
        plain.sections["broker"] = {"port": port, "tls": False}
        with plain.running():
            await _is_without_broker(plain, "IOT-103")


async def test_a_missing_broker_program_costs_the_home_and_not_the_television(plain: Plain) -> None:
    (plain.folder / "lineup.m3u").write_text(LINE_UP)
    plain.sections["media"] = {"line_up": str(plain.folder / "lineup.m3u")}
    (program,) = [
        place for place in map(Path, ("/usr/sbin/mosquitto", "/usr/bin/mosquitto")) if place.exists()
    ]
    with plain.running(before=hiding(plain.folder, program)):
        await _is_without_broker(plain, "IOT-102")


async def _is_without_broker(plain: Plain, code: str) -> None:
    async with plain.talking() as box:
        report = await box.until("/healthz", lambda now: now["services"]["broker"] == "failed")
        assert report["status"] == "degraded"
        assert len(await box.get("channels")) == 2
    lines = [line for line in plain.log.splitlines() if code in line]
    assert len(lines) == 1, plain.log
    assert re.search(LINE.format(code=code), lines[0])


def test_no_ffmpeg_is_one_line_of_the_demo(tmp_path: Path) -> None:
    said = run(
        "demo",
        "--state",
        tmp_path / "state",
        "--port",
        str(free_ports().page),
        env=without("ffmpeg", tmp_path / "bin"),
    )
    assert is_one_line(said, "DEMO-101"), said
    assert said.code == FAILED


async def test_no_libvlc_for_a_screen_is_one_line(plain: Plain) -> None:
    libraries = list(Path("/usr/lib").glob("*/libvlc.so.5"))
    (plain.folder / "screen").mkdir()
    async with framebuffer(plain.folder / "screen") as screen:
        said = run(
            "run", "--config", plain.configured(), "--state", plain.state,
            env=environment(screen.display), before=hiding(plain.folder, *libraries),
        )  # fmt: skip
    assert is_one_line(said, "TV-302"), said
    assert said.code == FAILED


async def test_a_damaged_database_goes_back_to_its_copy_and_says_so(plain: Plain) -> None:
    rule = {"when": {"entity": "mqtt.x", "equals": True}, "do": [{"notice": {"text": "x"}}]}
    with plain.running() as daemon:
        async with plain.talking() as box:
            # The page answers before the home is there.
            await box.until("/healthz", lambda said: said["services"].get("rules") == "running")
            assert (await box.call("PUT", "rules/kept", rule)).status == 200
        assert end(daemon) == DONE
    with plain.running() as daemon:  # a start makes a copy
        assert end(daemon) == DONE
    database = plain.state / "gateway.db"
    whole = database.read_bytes()
    database.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with plain.running() as daemon:
        async with plain.talking() as box:
            assert await box.until("rules", lambda found: "kept" in [one["id"] for one in found])
        assert end(daemon) == DONE
    assert "the database was damaged; went back to the copy of" in plain.log
    assert [each.name for each in plain.state.glob("gateway.db.damaged-*")]


async def test_what_is_asked_wrongly_is_a_problem_document(plain: Plain) -> None:
    with plain.running():
        async with plain.talking("wrong" * 10) as stranger:
            answer = await stranger.call("GET", "tv")
            assert (answer.status, answer.kind) == (401, "application/problem+json")
            assert answer.document["code"] == "UI-105"
        async with plain.talking() as box:
            for raw, code in ((b'{"number": ', "UI-103"), (b"\xff\xfe", "UI-103"), (b'{"n": 1}', "UI-103")):
                answer = await box.call("POST", "tv/tune", raw=raw)
                assert (answer.status, answer.kind) == (400, "application/problem+json"), answer
                assert answer.document["code"] == code, answer
            answer = await box.call("POST", "entities/mqtt.nobody/commands", {"value": True})
            assert (answer.kind, answer.document["code"]) == ("application/problem+json", "IOT-203")
            assert (await box.call("GET", "tv")).status == 200


async def test_a_second_daemon_on_the_same_state_is_refused(plain: Plain) -> None:
    with plain.running():
        said = run("run", "--config", plain.configured(), "--state", plain.state)
        assert is_one_line(said, "SUP-103"), said
        assert said.code == FAILED
        async with plain.talking() as box:
            assert await box.get("channels") == []
