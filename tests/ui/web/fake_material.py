"""A little moving television for the page's tests.

One rule: made by ffmpeg, once for all tests; a channel's list slides with the
clock like a live one, however long the test takes.
"""

import subprocess
import time
from pathlib import Path

SEGMENT_S = 2
SEGMENTS = 12
SEEN = 5
_BEGAN = time.monotonic()
LOOKS = ("testsrc2", "testsrc2,hue=h=120", "testsrc2,hue=h=240", "smptehdbars")


def make(folder: Path) -> None:
    """Write the segments of every look into `folder`."""
    for number, look in enumerate(LOOKS):
        source, _, rest = look.partition(",")
        picture = f"{source}=size=640x360:rate=25" + (f",{rest}" if rest else "")
        target = folder / f"look{number}"
        target.mkdir(parents=True)
        sound = f"sine=frequency={300 + 100 * number}:sample_rate=48000"
        group = str(25 * SEGMENT_S)
        command = f"""ffmpeg -loglevel error -f lavfi -i {picture} -f lavfi -i {sound}
            -t {SEGMENT_S * SEGMENTS} -c:v libx264 -preset ultrafast -pix_fmt yuv420p
            -g {group} -keyint_min {group} -sc_threshold 0 -c:a aac -b:a 64k
            -f hls -hls_time {SEGMENT_S} -hls_list_size 0 -hls_segment_filename %d.ts all.m3u8"""
        subprocess.run(command.split(), cwd=target, check=True, timeout=120)


def playlist() -> str:
    """Return the sliding list of a live channel as it is now."""
    newest = int(time.monotonic() - _BEGAN) // SEGMENT_S + SEEN
    first = newest - SEEN + 1
    lines = [
        "#EXTM3U",
        "#EXT-X-VERSION:3",
        f"#EXT-X-TARGETDURATION:{SEGMENT_S}",
        f"#EXT-X-MEDIA-SEQUENCE:{first}",
    ]
    lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{(first - 1) // SEGMENTS}")
    for sequence in range(first, newest + 1):
        if sequence % SEGMENTS == 0:
            lines.append("#EXT-X-DISCONTINUITY")
        lines += [f"#EXTINF:{SEGMENT_S}.0,", f"{sequence % SEGMENTS}.ts"]
    return "\n".join(lines) + "\n"


def master(codec: str) -> str:
    """Return the list of a channel in one quality of `codec`."""
    about = f'BANDWIDTH=20000000,RESOLUTION=3840x2160,CODECS="{codec}"'
    return f"#EXTM3U\n#EXT-X-STREAM-INF:{about}\nmedia.m3u8\n"
