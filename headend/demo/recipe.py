"""What has to be drawn, sounded and encoded for one channel: files and ffmpeg's arguments.

One rule: a recipe is a value.  It is computed from the channel alone, and its
fingerprint changes when anything about the result would, which is how made
material is recognised.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headend.demo import clock_art
from headend.demo.artwork import WIDTH
from headend.demo.channels import LOOP_S, DemoChannel, Packaging, Rung
from headend.demo.scenery import scenery

MATERIAL_VERSION = 3
KEY_FRAME_S = 2
AUDIO_KBPS = 96


@dataclass(frozen=True)
class Rendition:
    """One playlist of a channel.

    Attributes:
        name: Folder of its segments.
        video: Whether pictures are in it.
        language: Of the sound in it; ``None`` for pictures alone.
        rung: How its pictures are encoded.
    """

    name: str
    video: bool
    language: str | None
    rung: Rung | None = None


@dataclass(frozen=True)
class Recipe:
    """How to make one channel; every command runs in the channel's own folder."""

    channel: DemoChannel

    @property
    def renditions(self) -> tuple[Rendition, ...]:
        """The playlists with sound or pictures; alternate sound has playlists of its own."""
        channel = self.channel
        if len(channel.languages) == 1:
            return tuple(Rendition(r.name, True, channel.languages[0], r) for r in channel.rungs)
        pictures = tuple(Rendition(r.name, True, None, r) for r in channel.rungs)
        return pictures + tuple(Rendition(f"audio-{lang}", False, lang) for lang in channel.languages)

    @cached_property
    def drawings(self) -> dict[str, str]:
        """SVG documents by file name, backdrop first, bead last."""
        scale = self.channel.rungs[0].width / WIDTH
        scene = scenery(self.channel)
        files = {"00.svg": scene.backdrop_svg(scale)}
        for n, layer in enumerate(scene.layers, start=1):
            files[f"{n:02d}.svg"] = layer.svg(scale)
        files["bead.svg"] = clock_art.bead(scale)
        return files

    @cached_property
    def filter_graph(self) -> str:
        """Ffmpeg's filter graph from the drawings to one output per rung."""
        channel = self.channel
        depth = "p10" if channel.hevc else "p"
        scale = channel.rungs[0].width / WIDTH
        layers = scenery(channel).layers
        places = [(f"{scale}*({layer.x})", f"{scale}*({layer.y})") for layer in layers]
        places.append(clock_art.bead_position(channel, scale))
        repeat = f"loop=-1:1:0,settb=1/{channel.fps},setpts=N"
        matrix = "scale=out_color_matrix=bt709:out_range=tv"
        parts = [f"[0]{matrix},format=yuv420{depth},{repeat}[m0]"]
        for n, (x, y) in enumerate(places, start=1):
            # librsvg hands over colours already multiplied by their opacity.
            parts.append(
                f"[{n}]format=gbrap,unpremultiply=inplace=1,{matrix},format=yuva420{depth},{repeat}[s{n}]"
            )
            kind = "yuv420p10" if channel.hevc else "yuv420"
            parts.append(f"[m{n - 1}][s{n}]overlay=x='{x}':y='{y}':format={kind}[m{n}]")
        last = f"[m{len(places)}]{clock_art.digits(channel, scale)},format=yuv420{depth}"
        rungs = channel.rungs
        if len(rungs) == 1:
            return ";".join([*parts, f"{last}[v0]"])
        split = "".join(f"[c{n}]" for n in range(len(rungs)))
        scaled = [f"[c{n}]scale={r.width}:{r.height}:flags=bilinear[v{n}]" for n, r in enumerate(rungs)]
        return ";".join([*parts, f"{last},split={len(rungs)}{split}", *scaled])

    def encode_video(self) -> list[str]:
        """Return ffmpeg's arguments that draw and encode one loop of pictures of every rung."""
        channel = self.channel
        rate = ("-framerate", str(channel.fps))
        inputs = [argument for name in self.drawings for argument in (*rate, "-i", name)]
        arguments = ["-y", "-filter_complex_threads", "2", *inputs, "-filter_complex", self.filter_graph]
        for n, rung in enumerate(channel.rungs):
            arguments += ["-map", f"[v{n}]", "-t", str(channel.video_loop_s), *self._encoder(rung)]
            arguments += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"]
            arguments += [f"video-{rung.name}.mp4"]
        return arguments

    def encode_audio(self, language: str) -> list[str]:
        """Return ffmpeg's arguments that encode three phrases of sound as ADTS."""
        codec = ["-ac", "2", "-c:a", "aac", "-b:a", f"{AUDIO_KBPS}k"]
        return ["-y", "-stream_loop", "2", "-i", f"phrase-{language}.wav", *codec, f"long-{language}.aac"]

    def cut(self, rendition: Rendition) -> list[str]:
        """Return ffmpeg's arguments that put pictures and sound together and cut them into segments."""
        channel = self.channel
        inputs, maps = [], []
        if rendition.rung:
            inputs += [
                "-stream_loop",
                str(LOOP_S // channel.video_loop_s - 1),
                "-i",
                f"video-{rendition.rung.name}.mp4",
            ]
            maps += ["-map", "0:v"]
        if rendition.language:
            maps += ["-map", f"{1 if rendition.rung else 0}:a"]
            inputs += ["-i", f"loop-{rendition.language}.aac"]
        ending = "ts" if channel.packaging is Packaging.TS else "m4s"
        hls = ["-f", "hls", "-hls_time", str(channel.segment_s), "-hls_playlist_type", "vod"]
        hls += ["-hls_segment_filename", f"{rendition.name}/%03d.{ending}"]
        if channel.packaging is Packaging.FMP4:
            hls += ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
            hls += ["-bsf:a", "aac_adtstoasc"] if rendition.language else []
        return ["-y", *inputs, *maps, "-c", "copy", *hls, f"{rendition.name}/index.m3u8"]

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what comes out."""
        everything = [
            str(MATERIAL_VERSION),
            repr(self.channel),
            *self.drawings.values(),
            *self.encode_video(),
        ]
        return hashlib.sha256("\0".join(everything).encode()).hexdigest()

    @property
    def weight(self) -> float:
        """How long it takes, in no particular unit."""
        channel = self.channel
        pixels = sum(r.width * r.height for r in channel.rungs) * channel.fps * channel.video_loop_s
        return pixels * (5 if channel.hevc else 1)

    @property
    def frames(self) -> int:
        """Pictures in one loop of one rung."""
        return self.channel.fps * self.channel.video_loop_s

    def _encoder(self, rung: Rung) -> list[str]:
        channel = self.channel
        group = channel.fps * KEY_FRAME_S
        if channel.hevc:
            cadence = f"keyint={group}:min-keyint={group}:scenecut=0:open-gop=0:bframes=0"
            parameters = f"{cadence}:ref=1:rd=1:log-level=error"
            codec = ["-c:v", "libx265", "-preset", "ultrafast", "-crf", "24", "-tag:v", "hvc1"]
            return [*codec, "-x265-params", parameters]
        codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-threads", "2"]
        rate = ["-maxrate", f"{rung.bitrate_kbps}k", "-bufsize", f"{rung.bitrate_kbps * 2}k"]
        groups = ["-g", str(group), "-keyint_min", str(group), "-sc_threshold", "0"]
        return [*codec, *rate, *groups, "-bf", str(channel.b_frames)]


def ffmpeg(arguments: list[str], *, binary: str | Path = "ffmpeg") -> list[str]:
    """Return the whole command line: quiet, and with progress on standard output."""
    return [str(binary), "-hide_banner", "-nostdin", "-loglevel", "error", "-progress", "pipe:1", *arguments]
