"""Pictures for the zap: two colours, a counter of frames in each, packed in every way.

One rule: a colour is encoded once at a real channel's bit rate and only packed
differently, so that kinds of channels differ in packing alone.

Noise over the colour makes key frames and bit rate as large as those of real
pictures; five black or white blocks count the frames, so that each frame shows.
"""

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from headend.demo import stock
from headend.demo.channels import LOOP_S

FPS = 25
GOP_S = 2
VIDEO_LOOP_S = 20
WIDTH, HEIGHT = 1920, 1080
BLOCKS = 5
LANGUAGES = ("zh", "en")
_VERSION = 1
_TIMEOUT_S = 600


class Colour(Enum):
    """What a channel looks like; the value is what is painted."""

    RED = "0xb03028"
    BLUE = "0x2838b8"


@dataclass(frozen=True, slots=True)
class Rung:
    """One encoding of the picture."""

    name: str
    width: int
    height: int
    kbps: int


RUNGS = (Rung("1080", 1920, 1080, 5000), Rung("720", 1280, 720, 2500), Rung("360", 640, 360, 800))


def block(number: int) -> tuple[float, float, float, float]:
    """Return left, top, width and height of a counting block, as shares of the picture."""
    return 0.2 + 0.12 * number, 0.45, 0.06, 0.1


def make(cache: Path) -> Path:
    """Return the folder in which the material is, made if it was not there."""
    folder = cache / f"zap-{_fingerprint()}"
    if not folder.exists():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        for colour in Colour:
            _make_colour(partial / colour.name.lower(), colour)
        partial.rename(folder)
    return folder


def _make_colour(folder: Path, colour: Colour) -> None:
    folder.mkdir(parents=True)
    _ffmpeg(folder, _encode(colour))
    for pitch, language in zip((440, 660), LANGUAGES, strict=True):
        _ffmpeg(folder, _sound(pitch, language))
    first = LANGUAGES[0]
    for rung in RUNGS:
        _pack(folder, rung.name, 2, video=rung.name, sound=first)
    best = RUNGS[0].name
    _pack(folder, "six", 6, video=best, sound=first)
    _pack(folder, "fmp4", 2, video=best, sound=first, fmp4=True)
    _pack(folder, "silent", 2, video=best)
    for language in LANGUAGES:
        _pack(folder, f"audio-{language}", 2, sound=language)


def _encode(colour: Colour) -> list[str]:
    counter = []
    for number in range(BLOCKS):
        left, top, width, height = block(number)
        place = f"x={left}*iw:y={top}*ih:w={width}*iw:h={height}*ih:t=fill"
        on = f"gte(mod(n\\,{2 << number})\\,{1 << number})"
        counter += [f"drawbox={place}:c=black", f"drawbox={place}:c=white:enable='{on}'"]
    picture = f"color=c={colour.value}:s={WIDTH}x{HEIGHT}:r={FPS}:d={VIDEO_LOOP_S},format=yuv420p"
    painted = ",".join([picture, "noise=c0s=24:c0f=t", *counter])
    split = f"split={len(RUNGS)}" + "".join(f"[s{n}]" for n in range(len(RUNGS)))
    scaled = [f"[s{n}]scale={r.width}:{r.height}:flags=bilinear[v{n}]" for n, r in enumerate(RUNGS)]
    arguments = ["-filter_complex", ";".join([f"{painted},{split}", *scaled])]
    cadence = f"-g {FPS * GOP_S} -keyint_min {FPS * GOP_S} -sc_threshold 0 -bf 2 -flags +cgop"
    for n, rung in enumerate(RUNGS):
        rate = f"-b:v {rung.kbps}k -maxrate {rung.kbps * 1.2:.0f}k -bufsize {rung.kbps}k"
        codec = f"-c:v libx264 -preset veryfast -profile:v high -pix_fmt yuv420p {cadence} {rate}"
        arguments += ["-map", f"[v{n}]", *codec.split(), f"video-{rung.name}.mp4"]
    return arguments


def _sound(pitch: int, language: str) -> list[str]:
    # At 32 kHz a minute is a whole number of AAC frames.
    tone = f"sine=frequency={pitch}:sample_rate=32000:duration={LOOP_S + 1}"
    codec = ["-ac", "2", "-c:a", "aac", "-b:a", "128k", "-t", str(LOOP_S)]
    return ["-f", "lavfi", "-i", tone, *codec, f"{language}.aac"]


def _pack(  # noqa: PLR0913 - what goes into a package
    folder: Path, name: str, segment_s: int, *, video: str = "", sound: str = "", fmp4: bool = False
) -> None:
    (folder / name).mkdir()
    inputs: list[str] = []
    maps: list[str] = []
    if video:
        inputs += ["-stream_loop", str(LOOP_S // VIDEO_LOOP_S - 1), "-i", f"video-{video}.mp4"]
        maps += ["-map", "0:v"]
    if sound:
        maps += ["-map", f"{1 if video else 0}:a"]
        inputs += ["-i", f"{sound}.aac"]
    ending = "m4s" if fmp4 else "ts"
    hls = ["-f", "hls", "-hls_time", str(segment_s), "-hls_playlist_type", "vod"]
    hls += ["-hls_segment_filename", f"{name}/%03d.{ending}"]
    if fmp4:
        hls += ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4", "-bsf:a", "aac_adtstoasc"]
    _ffmpeg(folder, [*inputs, *maps, "-c", "copy", "-t", str(LOOP_S), *hls, f"{name}/index.m3u8"])
    stock.take(folder / name)


def _ffmpeg(folder: Path, arguments: list[str]) -> None:
    command = [shutil.which("ffmpeg") or "/usr/bin/ffmpeg", "-nostdin", "-v", "error", "-y", *arguments]
    subprocess.run(command, cwd=folder, check=True, timeout=_TIMEOUT_S)


def _fingerprint() -> str:
    everything = (_VERSION, RUNGS, [_encode(colour) for colour in Colour])
    return hashlib.sha256(repr(everything).encode()).hexdigest()[:12]
