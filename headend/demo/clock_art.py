"""The clock that every channel shows: the sun or moon itself, with a ring around it.

One rule: what the clock says is a function of the media time alone.  The loop
is as long as a minute (or a divisor of it), the origin starts it when the
wall-clock minute starts, and so the frame dated 19:12:34 shows 34 although it
was drawn days ago.  The bright bead goes round the ring once per loop of the
picture: a second hand where that is a minute.
"""

from headend.demo.channels import LOOP_S, DemoChannel

CENTRE = (1310.0, 430.0)
RING_RADIUS = 178.0
BEAD_RADIUS = 17.0
DISC_RADIUS = 124.0
DIGITS_PX = 132
MARKS = 60


def ring(channel: DemoChannel) -> str:
    """Return the SVG of the still part: disc, ring and marks."""
    x, y = CENTRE
    horizon = channel.palette[2]
    marks = MARKS
    ticks = "".join(
        f'<line x1="{x}" y1="{y - RING_RADIUS - (9 if n % max(1, marks // 12) == 0 else 4)}" x2="{x}" '
        f'y2="{y - RING_RADIUS + (9 if n % max(1, marks // 12) == 0 else 4)}" stroke="#fff" '
        f'stroke-opacity=".5" stroke-width="4" transform="rotate({n * 360 / marks} {x} {y})"/>'
        for n in range(marks)
    )
    return (
        '<radialGradient id="halo"><stop offset="0" stop-color="#fff" stop-opacity=".9"/>'
        f'<stop offset=".28" stop-color="{horizon}" stop-opacity=".7"/>'
        f'<stop offset="1" stop-color="{horizon}" stop-opacity="0"/></radialGradient>'
        f'<circle cx="{x}" cy="{y}" r="470" fill="url(#halo)"/>'
        f'<circle cx="{x}" cy="{y}" r="{RING_RADIUS + 32}" fill="{channel.palette[0]}" fill-opacity=".42"/>'
        f'<circle cx="{x}" cy="{y}" r="{DISC_RADIUS}" fill="#fff8e8"/>{ticks}'
    )


def bead(scale: float) -> str:
    """Return the bead that runs round the ring as an SVG document, `scale` pixels per unit."""
    size = BEAD_RADIUS * 4
    pixels = round(size * scale)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        f'width="{pixels}" height="{pixels}">'
        '<defs><radialGradient id="b"><stop offset="0" stop-color="#fff" stop-opacity="1"/>'
        '<stop offset=".4" stop-color="#fff" stop-opacity=".6"/>'
        '<stop offset="1" stop-color="#fff" stop-opacity="0"/></radialGradient></defs>'
        f'<circle cx="{size / 2}" cy="{size / 2}" r="{size / 2}" fill="url(#b)"/>'
        f'<circle cx="{size / 2}" cy="{size / 2}" r="{BEAD_RADIUS}" fill="#fff"/></svg>'
    )


def bead_position(channel: DemoChannel, scale: float) -> tuple[str, str]:
    """Return ffmpeg's `overlay` expressions for the bead; `scale` is pixels per drawing unit."""
    x, y = CENTRE
    half = BEAD_RADIUS * 2
    turn = f"2*PI*t/{channel.video_loop_s}"
    return (
        f"{(x - half) * scale:.2f}+{RING_RADIUS * scale:.2f}*sin({turn})",
        f"{(y - half) * scale:.2f}-{RING_RADIUS * scale:.2f}*cos({turn})",
    )


def digits(channel: DemoChannel, scale: float) -> str:
    """Return ffmpeg's `drawtext` that writes the second, or what stands for it, into the disc."""
    # A loop too short for the seconds says instead what its channel is for; the bead still runs.
    seconds = f"%{{eif\\:mod(floor(t+0.001)\\,{channel.video_loop_s})\\:d\\:2}}"
    text = seconds if channel.video_loop_s == LOOP_S else channel.name.split()[-1]
    x, y = CENTRE
    return (
        f"drawtext=font='DejaVu Sans\\:bold':fontcolor={channel.palette[6].replace('#', '0x')}:"
        f"fontsize={round(DIGITS_PX * scale)}:text='{text}':"
        f"x={x * scale:.1f}-text_w/2:y={y * scale:.1f}-max_glyph_h/2"
    )
