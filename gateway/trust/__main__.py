"""``python -m gateway.trust``: the child that talks to a repository.

One rule: one JSON document on standard output, whatever happens; exit status
0 when the repository was believed, 1 when not, 2 for wrong use.

Run by `gateway.trust.asking`; not a command for people.
"""

import argparse
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from gateway.disk import LocalDisk
from gateway.errors import GatewayError
from gateway.trust.errors import TrustError, TrustStateError
from gateway.trust.fetch import Fetcher, Patience
from gateway.trust.lineups import Believed
from gateway.trust.offers import Fetched, Refused
from gateway.trust.repository import Place, Repository
from gateway.trust.seal import open_seal


def main(argv: list[str] | None = None) -> int:
    """Do one errand and return the exit status."""
    arguments = _parser().parse_args(argv)
    place = Place(url=arguments.url, root=arguments.root, metadata=arguments.metadata)
    patience = Patience(gap_s=arguments.gap_s, window_s=arguments.window_s)
    try:
        if arguments.errand == "kept":
            _say(_kept(arguments.kept, arguments.root))
            return 0
        with closing(Fetcher(patience)) as fetcher:
            repository = Repository(place, fetcher, LocalDisk())
            repository.refresh()
            if arguments.errand == "list":
                _say(repository.listing())
            elif arguments.errand == "firmware":
                kinds = [_kind(text) for text in arguments.model]
                _say(repository.images(kinds, arguments.kept))
            elif arguments.errand == "image":
                for path in arguments.target:
                    repository.firmware_image(path, arguments.kept, arguments.into)
                _say(Fetched(refused=[]))
            elif arguments.errand == "line-up":
                _say(repository.line_up(arguments.area, arguments.kept, arguments.into))
            else:
                _say(_fetch(repository, arguments.target, arguments.into))
    except GatewayError as error:
        _say(Refused(path="", code=error.code, reason=str(error)))
        return 1
    return 0


def _kept(file: Path, root: Path) -> Believed:
    """Believe the sealed line-up in `file`, or not; no network is needed."""
    try:
        return open_seal(file.read_bytes(), root.read_bytes())
    except OSError as error:
        raise TrustStateError(f"{error.filename}: {error.strerror}") from error


def _fetch(repository: Repository, targets: list[str], into: Path) -> Fetched:
    """Bring each target as ``<n>.zip``; one that is refused does not stop the others."""
    refused = []
    for number, path in enumerate(targets):
        try:
            repository.fetch(path, into / f"{number}.zip")
        except TrustError as error:
            refused.append(Refused(path=path, code=error.code, reason=str(error)))
    return Fetched(refused=refused)


def _kind(text: str) -> tuple[str, str]:
    vendor, _, model = text.partition("/")
    return vendor, model


def _say(document: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    sys.stdout.buffer.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m gateway.trust", description=__doc__)
    parser.add_argument("errand", choices=["list", "fetch", "line-up", "kept", "firmware", "image"])
    parser.add_argument("--url", required=True, help="address of the repository, with a final slash")
    parser.add_argument("--root", type=Path, required=True, help="root of trust shipped with the box")
    parser.add_argument("--metadata", type=Path, required=True, help="folder of cached metadata")
    parser.add_argument(
        "--target", action="append", default=[], help="fetch: path of a target; image: of a manifest"
    )
    parser.add_argument("--model", action="append", default=[], help="firmware: VENDOR/MODEL in the home")
    parser.add_argument("--into", type=Path, default=Path(), help="fetch: folder; line-up, image: file")
    parser.add_argument(
        "--kept", type=Path, default=Path(), help="the sealed line-up, or the folder of manifests"
    )
    parser.add_argument("--area", default="", help="line-up: where the box is")
    parser.add_argument("--gap-s", type=float, default=15.0, help="longest silence of the server")
    parser.add_argument("--window-s", type=float, default=1800.0, help="longest time for one file")
    return parser


if __name__ == "__main__":
    sys.exit(main())
