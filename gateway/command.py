"""The ``gateway`` command.

One rule: whatever goes wrong is one line on standard error, ``CODE: what
happened. What to do.``, and an exit code: 0 done, 1 failed, 2 wrong use or bad
input.

Each command imports what it needs: a question is answered at once, and only
the daemon loads the whole house.
"""

import argparse
import dataclasses
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gateway.errors import BadInputError, GatewayError
from gateway.life import StateFolderError
from gateway.ui.auth import Access

if TYPE_CHECKING:
    from gateway.config import GatewayConfig

DONE, FAILED, WRONG_USE = 0, 1, 2

EXAMPLES = """\
examples:
  gateway demo                                 a head-end and a home to try the box with
  gateway run --config /etc/gateway/gateway.yaml --state /var/lib/gateway
  gateway check-config gateway.yaml
  gateway doctor --state /var/lib/gateway
"""


class NoDemoError(GatewayError):
    """The demo is not part of this installation."""

    code: ClassVar[str] = "GW-003"
    hint = "Use a checkout of the project, or install the head-end's distribution."


class UsageError(BadInputError):
    """The command line cannot be understood."""

    code: ClassVar[str] = "GW-004"
    hint = "See gateway --help."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    try:
        options = _parser().parse_args(arguments)
        return int(options.command(options))
    except BadInputError as error:
        sys.stderr.write(f"{error.line()}\n")
        return WRONG_USE
    except GatewayError as error:
        sys.stderr.write(f"{error.line()}\n")
        return FAILED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # argparse would leave by itself
        raise UsageError(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gateway",
        description="The daemon of the box under the television.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    run = commands.add_parser("run", help="the daemon")
    run.add_argument("--config", type=Path, metavar="FILE", help="gateway.yaml; without, defaults")
    run.add_argument("--board", metavar="NAME|FILE", help="kind of hardware (default: simulated)")
    _state(run)
    _port(run)
    run.set_defaults(command=_run)

    demo = commands.add_parser("demo", help="run, with a demo head-end and demo devices")
    _state(demo)
    _port(demo)
    demo.add_argument(
        "--quick",
        dest="extent",
        action="store_const",
        const="quick",
        help="four small channels, made in seconds",
    )
    demo.add_argument(
        "--small", dest="extent", action="store_const", const="small", help="all twelve channels, small"
    )
    demo.set_defaults(command=_demo)

    check = commands.add_parser("check-config", help="check a gateway.yaml; exit 2 with every problem")
    check.add_argument("file", type=Path)
    check.set_defaults(command=_check_config)

    token = commands.add_parser("token", help="print the API token of this box")
    _state(token)
    token.set_defaults(command=_token)

    well = commands.add_parser("doctor", help="what works, what does not, and what to do")
    well.add_argument("--config", type=Path, metavar="FILE", help="gateway.yaml; without, defaults")
    _state(well)
    well.set_defaults(command=_doctor)
    return parser


def _state(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--state", type=Path, default=Path("state"), metavar="DIR", help="default: ./state")


def _port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=_port_number, metavar="N", help="of the page and the API (default: 8080)"
    )


def _port_number(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= 65_535):  # noqa: PLR2004 - the largest port there is
        raise argparse.ArgumentTypeError(f"{text} is not a port number")
    return int(text)


def _config(file: Path | None, board: str | None = None, port: int | None = None) -> "GatewayConfig":
    from gateway import config as configuration  # noqa: PLC0415

    config = configuration.load(file) if file else configuration.GatewayConfig()
    if board:
        config = dataclasses.replace(config, board=dataclasses.replace(config.board, name=board))
    if port:
        config = dataclasses.replace(config, ui=dataclasses.replace(config.ui, port=port))
    return config


def _run(options: argparse.Namespace) -> int:
    from gateway import daemon  # noqa: PLC0415

    return daemon.main(_config(options.config, options.board, options.port), options.state)


def _demo(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("headend") is None:
        raise NoDemoError("the demo is not installed here")
    argv = [sys.executable, "-m", "headend.demo", "--state", str(options.state)]
    argv += ["--port", str(options.port)] if options.port else []
    argv += ["--extent", options.extent] if options.extent else []
    os.execv(argv[0], argv)  # noqa: S606 - it becomes the demo, which then owns the terminal


def _check_config(options: argparse.Namespace) -> int:
    from gateway import config as configuration  # noqa: PLC0415

    problems = configuration.problems_of(options.file)
    if problems:
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        return WRONG_USE
    sys.stdout.write(f"{options.file}: well · 正确\n")
    return DONE


def _token(options: argparse.Namespace) -> int:
    try:
        token = Access(options.state / "token").token()
    except OSError as error:
        raise StateFolderError(f"{options.state}: {error.strerror}") from error
    sys.stdout.write(f"{token}\n")
    return DONE


def _doctor(options: argparse.Namespace) -> int:
    from gateway import doctor  # noqa: PLC0415

    findings = doctor.examine(_config(options.config), options.state)
    sys.stdout.write(doctor.report(findings))
    return DONE if all(finding.well for finding in findings) else FAILED
