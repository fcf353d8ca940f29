"""The operator's command line.

One rule: every command works off line on files, says what it did in one line,
and on trouble says what to do in one line and exits 1, or 2 when asked wrongly.
"""

import argparse
import getpass
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.metadata import Root

from gateway.errors import BadInputError, GatewayError
from headend import bundle, ceremony, firmware_command, lineup_command, publish
from headend.ceremony import Publisher, Validity
from headend.errors import UsageError
from headend.keys import KeyRing
from headend.repository import Repository, in_days
from headend.serve import server

_EXAMPLES = """\
examples:
  headend init repo --keys keys --passphrase-file pass.txt
  headend publisher add example --prefix com.example. --repo repo --keys keys --passphrase-file pass.txt
  headend build bundles/village-affairs -o village.zip
  headend sign repo village.zip --keys keys --passphrase-file pass.txt
  headend publish repo --keys keys --passphrase-file pass.txt
  headend lineup check list.m3u
  headend lineup admit repo --keys keys --passphrase-file pass.txt
  headend lineup publish list.m3u --repo repo --area all --keys keys --passphrase-file pass.txt
  headend firmware admit repo --keys keys --passphrase-file pass.txt
  headend firmware publish lamp.bin --repo repo --vendor ACME --model L1 --hardware B --version 2.1 \\
      --link lwm2m --keys keys --passphrase-file pass.txt
  headend timestamp repo --keys keys --passphrase-file pass.txt --expires 7d
  headend serve repo --port 8090

Ship repo/metadata/1.root.json with the boxes; copy metadata/ and targets/ to the web server.
"""

Work = Callable[[argparse.Namespace], None]


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    arguments = _parser().parse_args(argv)
    work: Work = arguments.work
    try:
        work(arguments)
    except BadInputError as error:
        sys.stderr.write(error.line() + "\n")
        return 2
    except GatewayError as error:
        sys.stderr.write(error.line() + "\n")
        return 1
    except OSError as error:
        what = f"{error.filename or 'a file'}: {error.strerror or error}"
        sys.stderr.write(f"HE-101: {what}. Check the path and free space.\n")
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _init(arguments: argparse.Namespace) -> None:
    repository = Repository(arguments.repo)
    ceremony.create(repository, _ring(arguments), _validity(arguments))
    _say(f"made {repository.folder}; ship {repository.root_of_trust} with the boxes")


def _publisher_add(arguments: argparse.Namespace) -> None:
    repository, ring = Repository(arguments.repo), _ring(arguments)
    validity = _validity(arguments)
    ceremony.add_publisher(
        repository, ring, Publisher(name=arguments.name, prefix=arguments.prefix), validity
    )
    _say(
        f"{arguments.name} may offer apps named {arguments.prefix}*; run `headend publish` to tell the boxes"
    )


def _publisher_list(arguments: argparse.Namespace) -> None:
    for publisher in ceremony.publishers(Repository(arguments.repo)):
        _say(f"{publisher.name}\t{publisher.prefix}")


def _build(arguments: argparse.Namespace) -> None:
    manifest = bundle.build(arguments.source, arguments.output)
    _say(f"built {manifest.id} {manifest.version} as {arguments.output}")


def _sign(arguments: argparse.Namespace) -> None:
    repository, ring = Repository(arguments.repo), _ring(arguments)
    if bool(arguments.role) == bool(arguments.bundles):
        raise UsageError("sign either bundles or one staged --role")
    if arguments.role:
        count = ceremony.countersign(repository, ring, arguments.role)
        _say(f"{arguments.role} has {count} signatures")
    _stage(repository, ring, arguments)


def _publish(arguments: argparse.Namespace) -> None:
    repository, ring = Repository(arguments.repo), _ring(arguments)
    _stage(repository, ring, arguments)
    roles = ceremony.publish(repository, ring, _validity(arguments))
    _say(f"published {', '.join(roles) or 'nothing new, only fresh dates'}")


def _stage(repository: Repository, ring: KeyRing, arguments: argparse.Namespace) -> None:
    for path in arguments.bundles:
        manifest = publish.stage_bundle(repository, ring, path, _validity(arguments))
        _say(f"signed {manifest.id} {manifest.version}")


def _timestamp(arguments: argparse.Namespace) -> None:
    expires = arguments.expires or in_days(Validity().timestamp)
    Repository(arguments.repo).refresh_timestamp(_ring(arguments), expires=expires)
    _say(f"the newest state holds until {expires:%Y-%m-%dT%H:%M:%SZ}")


def _serve(arguments: argparse.Namespace) -> None:
    Repository(arguments.repo).published("root", Root)
    with server(arguments.repo, arguments.port) as running:
        _say(f"http://127.0.0.1:{running.server_port}/")
        running.serve_forever()


def _ring(arguments: argparse.Namespace) -> KeyRing:
    if arguments.insecure_no_passphrase:
        return KeyRing(arguments.keys, None)
    if arguments.passphrase_file:
        passphrase = arguments.passphrase_file.read_bytes().strip()
    elif sys.stdin.isatty():
        passphrase = getpass.getpass("Passphrase of the keys: ").encode()
    else:
        raise UsageError("there is no terminal to ask for the passphrase", hint="Give --passphrase-file.")
    if not passphrase:
        raise UsageError("the passphrase is empty", hint="Choose one, or say --insecure-no-passphrase.")
    return KeyRing(arguments.keys, passphrase)


def _validity(arguments: argparse.Namespace) -> Validity:
    if arguments.expires is None:
        return Validity()
    days = (arguments.expires - datetime.now(UTC)).total_seconds() / 86400
    return Validity(targets=days, publisher=days, snapshot=days, line_up=days, firmware=days, timestamp=days)


def _moment(text: str) -> datetime:
    """Read ``30d`` or an RFC 3339 time."""
    if text.endswith("d") and text[:-1].isdecimal():
        return in_days(int(text[:-1]))
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(UTC).replace(microsecond=0)


_moment.__name__ = "time (30d or 2027-01-31T00:00:00Z)"  # argparse names the type in its complaint


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headend",
        description="Keys, bundles and signed repositories of an operator.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    keys = _keys_options()
    commands = parser.add_subparsers(required=True, metavar="command")

    init = commands.add_parser("init", parents=[keys], help="make a repository and all its keys")
    init.add_argument("repo", type=Path, metavar="REPO")
    init.set_defaults(work=_init)

    acts = commands.add_parser("publisher", help="admit or list publishers").add_subparsers(
        required=True, metavar="act"
    )
    add = acts.add_parser("add", parents=[keys], help="stage a publisher with its own key and prefix")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--prefix", required=True, help="beginning of its apps' ids, such as com.example.")
    add.add_argument("--repo", type=Path, required=True)
    add.set_defaults(work=_publisher_add)
    listing = acts.add_parser("list", help="show who may publish what")
    listing.add_argument("--repo", type=Path, required=True)
    listing.set_defaults(work=_publisher_list)

    build = commands.add_parser("build", help="make a bundle from an app's sources")
    build.add_argument("source", type=Path, metavar="SRC")
    build.add_argument("-o", "--output", type=Path, required=True, metavar="FILE.zip")
    build.set_defaults(work=_build)

    for name, work, text in (
        ("sign", _sign, "sign bundles with their publisher's key, or add a signature to a staged role"),
        ("publish", _publish, "sign the given bundles and make everything staged public"),
    ):
        command = commands.add_parser(name, parents=[keys], help=text)
        command.add_argument("repo", type=Path, metavar="REPO")
        command.add_argument("bundles", type=Path, nargs="*", metavar="FILE.zip")
        if name == "sign":
            command.add_argument("--role", help="staged role to sign, such as targets")
        command.set_defaults(work=work)

    lineup_command.add_to(commands, keys, lineup_command.Desk(_ring, _validity, _say))
    firmware_command.add_to(commands, keys, firmware_command.Desk(_ring, _validity, _moment, _say))

    timestamp = commands.add_parser(
        "timestamp", parents=[keys], help="say again that this is the newest state"
    )
    timestamp.add_argument("repo", type=Path, metavar="REPO")
    timestamp.set_defaults(work=_timestamp)

    serve = commands.add_parser("serve", help="serve the repository on loopback, for trying")
    serve.add_argument("repo", type=Path, metavar="REPO")
    serve.add_argument("--port", type=int, default=8090)
    serve.set_defaults(work=_serve)
    return parser


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _keys_options() -> argparse.ArgumentParser:
    keys = argparse.ArgumentParser(add_help=False)
    keys.add_argument("--keys", type=Path, required=True, help="folder of private keys")
    protection = keys.add_mutually_exclusive_group()
    protection.add_argument("--passphrase-file", type=Path, help="file whose first line opens the keys")
    protection.add_argument(
        "--insecure-no-passphrase", action="store_true", help="leave the keys open: only for trying"
    )
    keys.add_argument(
        "--expires", type=_moment, metavar="WHEN", help="end of validity: 30d or 2027-01-31T00:00:00Z"
    )
    return keys


if __name__ == "__main__":
    sys.exit(main())
