"""``python -m hw``: what this machine has, without a daemon."""

import argparse
import os
import sys
from pathlib import Path

from gateway.errors import GatewayError
from hw.board import known_boards, load_board
from hw.display import connectors, x_display
from hw.remote import RemoteReader

BOARDS = Path(__file__).parents[1] / "board_configs"


def main() -> int:
    """Return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hw", description=__doc__)
    parser.add_argument("what", choices=["boards", "probe"], help="list the known boards, or look at one")
    parser.add_argument("--board", default="simulated", help="name or file (default: simulated)")
    parser.add_argument("--root", type=Path, default=Path("/"), help="where sys and dev are (default: /)")
    arguments = parser.parse_args()
    try:
        if arguments.what == "boards":
            for name in known_boards(BOARDS):
                sys.stdout.write(f"{name:18} {load_board(name, BOARDS).title}\n")
        else:
            _probe(arguments.board, arguments.root)
    except GatewayError as error:
        sys.stderr.write(f"{error.line()}\n")
        return 2
    return 0


def _probe(board_name: str, root: Path) -> None:
    board = load_board(board_name, BOARDS)
    lines = [f"board      {board.name}: {board.title}"]
    lines += [
        f"decoder    {d.codec} up to {d.max_height}p{d.max_fps}, {d.bit_depth} bit, {d.instances} at once"
        for d in board.video.decoders
    ]
    for output in connectors(root):
        modes = ", ".join(output.modes[:3]) if output.connected else "nothing plugged in"
        lines.append(f"output     {output.name}: {modes}")
    lines.append(f"display    {x_display(os.environ) or 'none; the page shows the picture itself'}")
    lines += [f"remote     {name} ({path})" for path, name in RemoteReader(board.remote, root=root).devices()]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
