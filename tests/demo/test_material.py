import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from headend.demo import melody
from headend.demo.channels import CHANNELS, Extent, Rung
from headend.demo.material import Material, NoFfmpegError, Progress

TINY = tuple(replace(channel, rungs=(Rung("90", 160, 90, 100),), fps=5) for channel in Extent.QUICK.channels)


@pytest.mark.slow
async def test_interrupted_making_goes_on_where_it_was(tmp_path: Path) -> None:
    """A newcomer presses Ctrl-C during the first start, and starts again."""
    one_done = asyncio.Event()
    reports: list[Progress] = []

    def report(progress: Progress) -> None:
        reports.append(progress)
        if progress.done:
            one_done.set()

    making = asyncio.ensure_future(Material(tmp_path, TINY).make(report))
    async with asyncio.timeout(120):
        await one_done.wait()
    making.cancel()
    await asyncio.wait([making])
    kept = {folder.name: folder.stat().st_mtime_ns for folder in tmp_path.iterdir() if folder.suffix == ""}
    assert 1 <= len(kept) < len(TINY)

    async with asyncio.timeout(240):
        await Material(tmp_path, TINY).make(report)

    assert Material(tmp_path, TINY).missing == ()
    assert {channel.id for channel in TINY} == {folder.name for folder in tmp_path.iterdir()}
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    assert (reports[-1].done, reports[-1].percent) == (len(TINY), 100)


async def test_no_ffmpeg_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoFfmpegError) as refused:
        await Material(tmp_path, TINY, ffmpeg_binary="no-such-ffmpeg").make(lambda _: None)

    assert refused.value.line().startswith("DEMO-101: no-such-ffmpeg is not installed. Install it")


def test_another_recipe_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / TINY[0].id).mkdir()
    (tmp_path / TINY[0].id / "stamp").write_text("of another recipe")

    assert TINY[0] in Material(tmp_path, TINY).missing


def test_twelve_channels_differ_in_number_name_scene_and_tune() -> None:
    for what in ("id", "number", "name", "scene", "palette", "tune"):
        assert len({getattr(channel, what) for channel in CHANNELS}) == 12


def test_every_melody_is_as_long_as_its_phrase() -> None:
    assert len(melody.phrase(CHANNELS[0].tune)) == 44 + 2 * melody.PHRASE_S * melody.RATE_HZ


def test_what_is_not_adts_is_refused() -> None:
    with pytest.raises(melody.DamagedAudioError, match="0 AAC frames"):
        melody.loop_of_frames(b"ID3 something else")
