"""The daemon without the home: what television, page and apps hold alone.

One rule: everything is made as ever; only the services of the home are not run.

``python -m bench.iot_without CONFIG STATE``
"""

import argparse
import asyncio
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway import config, daemon, daemon_home, life
from hw.board import load_board


async def _run(file: Path, state: Path) -> None:
    settings = config.load(file)
    whole = daemon_home.compose_home

    def without(*parts: Any) -> daemon_home.Home:  # noqa: ANN401 - handed through
        return replace(whole(*parts), units=())

    vars(daemon)["compose_home"] = without
    board = load_board(settings.board.name, config.BOARDS)
    await life.live(daemon.compose(settings, state, board, os.environ), os.environ)


def main() -> None:
    """Run until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "state"):
        parser.add_argument(name, type=Path)
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    os.umask(0o077)
    with life.only_one(said.state):
        asyncio.run(_run(said.config, said.state))


if __name__ == "__main__":
    main()
