"""Kills a box or its guide's loader in the middle of a load, and looks what is left.

Run by ``test_guide_cut.py`` in a process of its own, which is the box: it serves a
guide until it is killed, and says on standard output when a load is complete.
"""

import asyncio
import sys
from pathlib import Path

from gateway.media.epg import Guide
from gateway.media.guide_renewal import GuideConfig
from gateway.media.lineup import LineUp


class NoBook:
    """A line-up without channels: the guide is taken in all the same."""

    state = LineUp()


async def main() -> None:
    folder, source = map(Path, sys.argv[1:3])
    config = GuideConfig(file_every_s=0.01, retry_every_s=0.01)
    guide = Guide(folder / "guide.db", NoBook(), str(source), folder, config)
    serving = asyncio.create_task(guide.run(lambda: None), name="guide")
    with guide.changes.subscribe() as changes:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        async for _ in changes:
            sys.stdout.write("loaded\n")
            sys.stdout.flush()
    await serving


if __name__ == "__main__":
    asyncio.run(main())
