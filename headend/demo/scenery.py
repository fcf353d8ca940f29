"""A channel's scenery: sky, clock and name, with its scene in front.

One rule: it is the same every time, so that made material can be recognised.
"""

import random
from dataclasses import dataclass

from headend.demo import clock_art
from headend.demo.artwork import HEIGHT, WIDTH, Layer, document
from headend.demo.channels import DemoChannel
from headend.demo.scenes import SCENES


@dataclass(frozen=True, slots=True)
class Scenery:
    """What a channel shows: `backdrop` is opaque, `layers` go over it in order."""

    backdrop: str
    layers: tuple[Layer, ...]

    def backdrop_svg(self, scale: float) -> str:
        """Return the backdrop as an SVG document, `scale` pixels per unit."""
        return document(self.backdrop, WIDTH, HEIGHT, scale)


def scenery(channel: DemoChannel) -> Scenery:
    """Return the scenery of `channel`; the same every time."""
    dice = random.Random(channel.id)  # noqa: S311 - art, not a secret
    behind, layers = SCENES[channel.scene](channel, dice)
    still = "".join(
        f'<svg x="{layer.x}" y="{layer.y}" width="{layer.width}" height="{layer.height}" '
        f'viewBox="0 0 {layer.width} {layer.height}">{_unique(layer.drawing, n)}</svg>'
        for n, layer in enumerate(layers)
        if layer.still
    )
    backdrop = _sky(channel) + behind + clock_art.ring(channel) + still + _title(channel)
    return Scenery(backdrop, tuple(layer for layer in layers if not layer.still))


def _unique(drawing: str, n: int) -> str:
    """Return `drawing` with its gradients named apart from those of other layers."""
    return drawing.replace('id="', f'id="n{n}').replace("url(#", f"url(#n{n}")


def _sky(channel: DemoChannel) -> str:
    top, middle, horizon = channel.palette[:3]
    return (
        f'<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{top}"/>'
        f'<stop offset=".5" stop-color="{middle}"/><stop offset=".8" stop-color="{horizon}"/>'
        f'<stop offset="1" stop-color="{horizon}"/></linearGradient></defs>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="url(#sky)"/>'
    )


def _title(channel: DemoChannel) -> str:
    fonts = "Noto Sans CJK SC,Noto Sans SC,WenQuanYi Zen Hei,DejaVu Sans,sans-serif"
    x = clock_art.CENTRE[0] + clock_art.RING_RADIUS + 62
    y = clock_art.CENTRE[1]
    name, _, extra = channel.name.partition(" ")
    small = f"{extra} {channel.english}".strip()
    return (
        f'<g font-family="{fonts}" fill="#fffaf0">'
        f'<text x="{x}" y="{y + 6}" font-size="190" font-weight="bold" fill-opacity=".96">'
        f"{channel.number}</text>"
        f'<text x="{x + 4}" y="{y + 92}" font-size="76" font-weight="bold">{name}</text>'
        f'<text x="{x + 6}" y="{y + 142}" font-size="34" fill-opacity=".75">{small}</text></g>'
    )
