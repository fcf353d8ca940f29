"""The ``gateway`` command as scripts see it: exit codes, and one line for each error."""

import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

DONE, FAILED, WRONG_USE = 0, 1, 2


def gateway(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def one_error(done: subprocess.CompletedProcess[str], code: str) -> str:
    """Return the error line; there is nothing else on standard error."""
    (line,) = done.stderr.splitlines()
    assert re.fullmatch(rf"{code}: .+\. .+\.", line), line
    assert done.stdout == ""
    return line


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ([], "GW-004"),
        (["fly"], "GW-004"),
        (["run", "--port", "0"], "GW-004"),
        (["run", "--port", "many"], "GW-004"),
        (["check-config"], "GW-004"),
        (["check-config", "/nowhere/gateway.yaml"], "CFG-002"),
        (["run", "--config", "/nowhere/gateway.yaml"], "CFG-002"),
        (["run", "--board", "toaster"], "HW-101"),
        (["run", "--state", "/dev/null/state"], "SUP-104"),
        (["token", "--state", "/dev/null/state"], "SUP-104"),
    ],
    ids=" ".join,
)
def test_wrong_use_is_one_line(arguments: list[str], code: str) -> None:
    done = gateway(*arguments)
    one_error(done, code)
    assert done.returncode == WRONG_USE


def test_a_good_configuration_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text("box: {id: attic}\n")

    done = gateway("check-config", file)

    assert (done.returncode, done.stderr) == (DONE, "")


def test_every_problem_of_a_configuration_is_a_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{}]")
    file = tmp_path / "gateway.yaml"
    file.write_text(f"board: {{name: toaster}}\niot: {{rules: {rules}}}\n")

    done = gateway("check-config", file)

    assert done.returncode == WRONG_USE
    assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["board.name", *["iot.rules"] * 3]


def test_the_token_stays_the_same_and_is_its_owners(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first, again = gateway("token", "--state", state), gateway("token", "--state", state)

    assert first.returncode == DONE
    assert first.stdout == again.stdout == (state / "token").read_text()
    assert stat.S_IMODE((state / "token").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_the_doctor_tells_a_taken_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        file = tmp_path / "gateway.yaml"
        file.write_text(f"ui: {{port: {other.getsockname()[1]}}}\n")
        done = gateway("doctor", "--config", file, "--state", tmp_path / "state")

    assert done.returncode == FAILED
    assert "taken by another program" in done.stdout
    assert done.stderr == ""
    assert not (tmp_path / "state").exists(), "the doctor only looks"


def test_help_shows_examples() -> None:
    done = gateway("--help")
    assert done.returncode == DONE
    assert "gateway check-config gateway.yaml" in done.stdout
