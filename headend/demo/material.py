"""Makes the demo's channels with ffmpeg once, and keeps them in the state folder.

One rule: a channel's folder exists if and only if it is complete.  It is made
beside its place and renamed when done, with the recipe's fingerprint inside,
so making can be interrupted at any moment and goes on with the next channel.
"""

import asyncio
import shutil
from asyncio.subprocess import PIPE
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from gateway.errors import GatewayError, ungrouped
from headend.demo import melody, stock
from headend.demo.channels import DemoChannel
from headend.demo.process import running
from headend.demo.recipe import Recipe, ffmpeg

STAMP = "stamp"
AT_ONCE = 2
CHANNEL_TIMEOUT_S = 900.0
_FIFTH = 7


class NoFfmpegError(GatewayError):
    """The demo's material cannot be made without ffmpeg."""

    code: ClassVar[str] = "DEMO-101"
    hint = "Install it: sudo apt-get install ffmpeg. 请安装 ffmpeg。"


class MaterialError(GatewayError):
    """ffmpeg could not make a channel."""

    code: ClassVar[str] = "DEMO-102"
    hint = (
        "Check the free space, then start the demo again; finished channels are kept. 请检查磁盘空间后重试。"
    )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the making has come.

    Attributes:
        channel: Being made, or just finished.
        done: Channels complete.
        count: Channels in all.
        percent: Of the whole work, by its expected length.
    """

    channel: DemoChannel
    done: int
    count: int
    percent: int


class Material:
    """The made channels below one folder.

    Args:
        folder: Where they are kept; made when missing.
        channels: Which ones there shall be.
        ffmpeg_binary: Name or path of ffmpeg.
    """

    def __init__(
        self, folder: Path, channels: Sequence[DemoChannel], *, ffmpeg_binary: str = "ffmpeg"
    ) -> None:
        self._folder = folder
        self._recipes = tuple(Recipe(channel) for channel in channels)
        self._ffmpeg = ffmpeg_binary

    @property
    def missing(self) -> tuple[DemoChannel, ...]:
        """Channels still to be made, or made by another recipe."""
        return tuple(recipe.channel for recipe in self._recipes if not self._is_made(recipe))

    async def make(self, report: Callable[[Progress], None]) -> None:
        """Make what is missing, two channels at a time, the longest first.

        Raises:
            NoFfmpegError: there is no ffmpeg.
            MaterialError: ffmpeg failed.
        """
        wanted = [recipe for recipe in self._recipes if not self._is_made(recipe)]
        if not wanted:
            return
        if shutil.which(self._ffmpeg) is None:
            raise NoFfmpegError(f"{self._ffmpeg} is not installed")
        wanted.sort(key=lambda recipe: recipe.weight, reverse=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        tally = _Tally(self._recipes, wanted, report)
        queue = iter(wanted)

        async def work() -> None:
            for recipe in queue:
                await self._make_one(recipe, tally)

        with ungrouped():
            async with asyncio.TaskGroup() as group:
                for n in range(AT_ONCE):
                    group.create_task(work(), name=f"material-{n}")

    def _is_made(self, recipe: Recipe) -> bool:
        try:
            return (self._folder / recipe.channel.id / STAMP).read_text() == recipe.fingerprint
        except OSError:
            return False

    async def _make_one(self, recipe: Recipe, tally: "_Tally") -> None:
        channel = recipe.channel
        place = self._folder / channel.id
        work = self._folder / f"{channel.id}.making"
        for old in (work, place):
            shutil.rmtree(old, ignore_errors=True)
        work.mkdir()
        async with asyncio.timeout(CHANNEL_TIMEOUT_S):
            for name, drawing in recipe.drawings.items():
                (work / name).write_text(drawing, encoding="utf-8")
            for n, language in enumerate(channel.languages):
                sound = await asyncio.to_thread(melody.phrase, channel.tune, transpose=n * _FIFTH)
                (work / f"phrase-{language}.wav").write_bytes(sound)
                await self._run(recipe.encode_audio(language), work, channel)
                long = (work / f"long-{language}.aac").read_bytes()
                (work / f"loop-{language}.aac").write_bytes(melody.loop_of_frames(long))
            await self._run(
                recipe.encode_video(),
                work,
                channel,
                lambda frame: tally.advance(recipe, frame / recipe.frames),
            )
            for rendition in recipe.renditions:
                (work / rendition.name).mkdir()
                await self._run(recipe.cut(rendition), work, channel)
                await asyncio.to_thread(stock.take, work / rendition.name)
        for leftover in work.iterdir():
            if leftover.is_file():
                leftover.unlink()
        (work / STAMP).write_text(recipe.fingerprint)
        work.rename(place)
        tally.finish(recipe)

    async def _run(
        self,
        arguments: list[str],
        folder: Path,
        channel: DemoChannel,
        on_frame: Callable[[int], None] = lambda _frame: None,
    ) -> None:
        argv = ["env", "-C", str(folder), *ffmpeg(arguments, binary=self._ffmpeg)]
        async with running(argv, stdout=PIPE, stderr=PIPE) as process, asyncio.TaskGroup() as group:
            assert process.stdout  # noqa: S101 - asked for with PIPE
            assert process.stderr  # noqa: S101 - likewise
            complaint = group.create_task(process.stderr.read(), name="ffmpeg-stderr")
            async for line in process.stdout:
                if line.startswith(b"frame="):
                    on_frame(int(line[6:]))
            await process.wait()
        if process.returncode:
            text = complaint.result().decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise MaterialError(f"channel {channel.number} {channel.name} could not be made: {text[-1]}")


class _Tally:
    """Adds up the channels' shares of the work."""

    def __init__(
        self, recipes: Sequence[Recipe], wanted: Sequence[Recipe], report: Callable[[Progress], None]
    ) -> None:
        self._count = len(recipes)
        self._done = len(recipes) - len(wanted)
        self._total = sum(recipe.weight for recipe in wanted)
        self._shares = {recipe.channel.id: 0.0 for recipe in wanted}
        self._weights = {recipe.channel.id: recipe.weight for recipe in wanted}
        self._report = report

    def advance(self, recipe: Recipe, share: float) -> None:
        self._shares[recipe.channel.id] = min(share, 1.0)
        self._tell(recipe)

    def finish(self, recipe: Recipe) -> None:
        self._shares[recipe.channel.id] = 1.0
        self._done += 1
        self._tell(recipe)

    def _tell(self, recipe: Recipe) -> None:
        made = sum(self._weights[key] * share for key, share in self._shares.items())
        percent = int(100 * made / self._total)
        self._report(Progress(recipe.channel, self._done, self._count, percent))
