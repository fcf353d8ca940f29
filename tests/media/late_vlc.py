"""A libVLC worker that takes its time: ``--window-after`` and ``--up-after`` seconds."""

import sys
import time
from collections.abc import Sequence

from gateway.media import vlc_worker
from gateway.media.player_window import Window
from gateway.media.player_worker import Engine, main

WINDOW_AFTER, UP_AFTER = "--window-after=", "--up-after="


def seconds(argv: Sequence[str], name: str) -> float:
    return sum(float(each.removeprefix(name)) for each in argv if each.startswith(name))


def make(options: Sequence[str], window: Window | None) -> Engine:
    engine = vlc_worker.make(options, window)
    time.sleep(seconds(sys.argv, UP_AFTER))
    return engine


if __name__ == "__main__":
    time.sleep(seconds(sys.argv, WINDOW_AFTER))
    sys.exit(main([each for each in sys.argv[1:] if not each.startswith((WINDOW_AFTER, UP_AFTER))], make))
