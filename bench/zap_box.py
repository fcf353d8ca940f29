"""The daemon with a remote control that this bench holds.

One rule: nothing differs from ``gateway run`` but where the kernel's input
devices are looked for.

``python -m bench.zap_box CONFIG STATE DEVICES``
"""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from gateway import config, life
from gateway.daemon import compose
from hw.board import load_board


async def _run(file: Path, state: Path, devices: Path) -> None:
    settings = config.load(file)
    board = load_board(settings.board.name, config.BOARDS)
    await life.live(compose(settings, state, board, os.environ, devices=devices), os.environ)


def main() -> None:
    """Run until told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("config", "state", "devices"):
        parser.add_argument(name, type=Path)
    said = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    os.umask(0o077)
    with life.only_one(said.state):
        asyncio.run(_run(said.config, said.state, said.devices))


if __name__ == "__main__":
    main()
