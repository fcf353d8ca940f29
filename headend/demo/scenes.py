"""The scenery of each channel: a still backdrop and layers that move over it.

One rule: every movement comes back to where it began when the picture's loop
ends, so that the loop has no seam.  Drawn in a space of 1920 x 1080 units.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from headend.demo import clock_art
from headend.demo.channels import DemoChannel, Scene

WIDTH, HEIGHT = 1920, 1080
STEP = 12


@dataclass(frozen=True, slots=True)
class Layer:
    """One moving picture.

    Attributes:
        drawing: SVG elements.
        width: Of the picture, in units.
        height: Likewise.
        x: ffmpeg expression of `t` for the left edge, in units.
        y: Likewise for the top.
        still: It does not move and is behind all that moves, so it is drawn once, into the
            backdrop; every moving layer costs encoding time.
    """

    drawing: str
    width: float
    height: float
    x: str
    y: str
    still: bool = False

    def svg(self, scale: float) -> str:
        """Return the whole SVG document, `scale` pixels per unit."""
        return _document(self.drawing, self.width, self.height, scale)


@dataclass(frozen=True, slots=True)
class Scenery:
    """What a channel shows: `backdrop` is opaque, `layers` go over it in order."""

    backdrop: str
    layers: tuple[Layer, ...]

    def backdrop_svg(self, scale: float) -> str:
        """Return the backdrop as an SVG document, `scale` pixels per unit."""
        return _document(self.backdrop, WIDTH, HEIGHT, scale)


def scenery(channel: DemoChannel) -> Scenery:
    """Return the scenery of `channel`; the same every time."""
    dice = random.Random(channel.id)  # noqa: S311 - art, not a secret
    behind, layers = _SCENES[channel.scene](channel, dice)
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


def _document(drawing: str, width: float, height: float, scale: float) -> str:
    pixels = f'width="{round(width * scale)}" height="{round(height * scale)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {pixels} viewBox="0 0 {width:g} {height:g}" '
        f'preserveAspectRatio="none">{drawing}</svg>'
    )


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
        f'<text x="{x}" y="{y + 6}" font-size="190" font-weight="bold" fill-opacity=".96">{channel.number}</text>'
        f'<text x="{x + 4}" y="{y + 92}" font-size="76" font-weight="bold">{name}</text>'
        f'<text x="{x + 6}" y="{y + 142}" font-size="34" fill-opacity=".75">{small}</text></g>'
    )


# Parts ----------------------------------------------------------------------------------------------


def _drift(period: float, turns: int, loop_s: int) -> str:
    return f"-mod(t*{period * turns / loop_s:.6f}\\,{period})"


def _sway(centre: float, reach: float, turns: int, loop_s: int, phase: float = 0.0) -> str:
    return f"{centre:.1f}+{reach:.1f}*sin(2*PI*{turns}*t/{loop_s}+{phase:.2f})"


def _profile(
    dice: random.Random, period: float, height: float, *, sharp: float, waves: int
) -> Callable[[float], float]:
    parts = [(n, dice.uniform(0, math.tau), 1 / (1 + 0.6 * i)) for i, n in enumerate(range(1, waves + 1))]
    total = sum(weight for _, _, weight in parts)

    def rise(x: float) -> float:
        wave = sum(w * math.sin(math.tau * n * x / period + p) for n, p, w in parts) / total
        return height * (math.exp(sharp * wave) - math.exp(-sharp)) / (math.exp(sharp) - math.exp(-sharp))

    return rise


def _range(  # noqa: PLR0913 - a mountain range has this many properties
    dice: random.Random,
    colour: str,
    *,
    foot: float,
    height: float,
    period: float = WIDTH,
    turns: int = 1,
    loop_s: int,
    sharp: float = 1.6,
    waves: int = 4,
    lines: str = "",
    extras: Callable[[Callable[[float], float], float], str] | None = None,
    still: bool = False,
) -> Layer:
    """Return hills that drift past; `lines` is the colour of contour lines such as terraces have."""
    headroom = 90.0 if extras else 0.0
    top = foot - height - headroom
    width = WIDTH + period
    rise = _profile(dice, period, height, sharp=sharp, waves=waves)
    deep = HEIGHT - top

    def path(below: float = 0.0, flatten: float = 1.0) -> str:
        points = (
            f"{x:.0f} {headroom + height - rise(x) * flatten + below:.1f}"
            for x in range(0, int(width) + STEP, STEP)
        )
        return "M" + " L".join(points)

    shade = (
        f'<linearGradient id="g" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="{colour}"/>'
        f'<stop offset="1" stop-color="#000" stop-opacity=".96"/></linearGradient>'
    )
    drawing = (
        f"<defs>{shade}</defs>"
        f'<path d="{path()} L{width} {deep} L0 {deep} Z" fill="{colour}"/>'
        f'<path d="{path()} L{width} {deep} L0 {deep} Z" fill="url(#g)" fill-opacity=".28"/>'
    )
    if lines:
        for n in range(1, 7):
            drawing += (
                f'<path d="{path(n * 30 + 6, 1 - n * 0.1)}" fill="none" stroke="{lines}" '
                f'stroke-opacity="{0.42 - n * 0.05:.2f}" stroke-width="3.5"/>'
            )
    if extras:
        drawing += extras(rise, headroom + height)
    x = "0" if still else _drift(period, turns, loop_s)
    return Layer(drawing, width, deep, x, f"{top:.1f}", still)


def _water(
    colour: str, light: str, *, top: float, period: float, turns: int, loop_s: int, swell: float = 12
) -> Layer:
    """Return a sheet of water with lines of light, down to the bottom of the picture."""
    width, deep = WIDTH + period, HEIGHT - top

    def wave(y: float, size: float, phase: float) -> str:
        count = max(1, round(period / 320))
        points = (
            f"{x} {y + size * math.sin(math.tau * count * x / period + phase):.1f}"
            for x in range(0, int(width) + STEP, STEP)
        )
        return "M" + " L".join(points)

    drawing = f'<path d="{wave(swell + 2, swell, 0)} L{width} {deep} L0 {deep} Z" fill="{colour}"/>'
    for n in range(1, 7):
        y = swell + 8 + deep * (n / 7) ** 1.4
        drawing += (
            f'<path d="{wave(y, swell * (0.5 + n * 0.12), n * 0.9)}" fill="none" stroke="{light}" '
            f'stroke-opacity="{0.4 - n * 0.045:.2f}" stroke-width="{2 + n * 0.6:.1f}" '
            f'stroke-dasharray="{60 + n * 10} {100 - n * 10}"/>'
        )
    return Layer(drawing, width, deep, _drift(period, turns, loop_s), f"{top:.1f}")


def _stars(dice: random.Random, count: int, below: float) -> str:
    return "".join(
        f'<circle cx="{dice.uniform(0, WIDTH):.0f}" cy="{dice.uniform(10, below):.0f}" '
        f'r="{dice.choice((1.2, 1.6, 2.4)):g}" fill="#fff" fill-opacity="{dice.uniform(0.3, 0.9):.2f}"/>'
        for _ in range(count)
    )


def _cloud(colour: str, opacity: float, wide: float) -> str:
    high = wide * 0.3
    puffs = ((0.2, 0.68, 0.15), (0.37, 0.52, 0.2), (0.57, 0.45, 0.24), (0.77, 0.62, 0.17))
    circles = "".join(
        f'<circle cx="{wide * x:.0f}" cy="{high * y + high * 0.1:.0f}" r="{wide * r * 0.62:.0f}"/>'
        for x, y, r in puffs
    )
    bar = f'<rect x="{wide * 0.07:.0f}" y="{high * 0.62:.0f}" width="{wide * 0.86:.0f}" height="{high * 0.3:.0f}" rx="{high * 0.15:.0f}"/>'
    return f'<g fill="{colour}" opacity="{opacity}">{circles}{bar}</g>'


def _clouds(  # noqa: PLR0913 - likewise
    dice: random.Random,
    colour: str,
    *,
    count: int,
    top: float,
    opacity: float,
    loop_s: int,
    turns: int = 1,
    period: float = WIDTH,
) -> Layer:
    body, high = "", 210.0
    for n in range(count):
        wide = dice.uniform(220, 420)
        x = period * n / count + dice.uniform(0, 60)
        y = dice.uniform(0, high - wide * 0.34)
        for shift in (-period, 0.0, period, 2 * period):
            if -wide < x + shift < WIDTH + period:
                body += (
                    f'<g transform="translate({x + shift:.0f} {y:.0f})">{_cloud(colour, opacity, wide)}</g>'
                )
    return Layer(body, WIDTH + period, high, _drift(period, turns, loop_s), f"{top:.0f}")


def _houses(
    wall: str, roof: str, *, count: int, start: float, step: float
) -> Callable[[Callable[[float], float], float], str]:
    def draw(rise: Callable[[float], float], height: float) -> str:
        body = ""
        for n in range(count):
            x = start + n * step
            for at in (x, x + WIDTH):
                y = height - rise(at) + 6 + (n % 3) * 9
                body += (
                    f'<path d="M{at - 46:.0f} {y:.0f} Q{at - 18:.0f} {y - 14:.0f} {at:.0f} {y - 34:.0f} Q{at + 18:.0f} '
                    f'{y - 14:.0f} {at + 46:.0f} {y:.0f} Z" fill="{roof}"/><rect x="{at - 32:.0f}" y="{y:.0f}" '
                    f'width="64" height="42" fill="{wall}"/><rect x="{at - 20:.0f}" y="{y + 11:.0f}" width="15" '
                    f'height="16" fill="#ffd88a"/><rect x="{at + 6:.0f}" y="{y + 11:.0f}" width="15" height="16" '
                    'fill="#ffc766"/>'
                )
        return body

    return draw


def _trees(
    colour: str, *, count: int, period: float, dice: random.Random
) -> Callable[[Callable[[float], float], float], str]:
    places = [(dice.uniform(0, period), dice.uniform(0.7, 1.3)) for _ in range(count)]

    def draw(rise: Callable[[float], float], height: float) -> str:
        body = ""
        for x, size in places:
            for at in (x, x + period, x + 2 * period):
                if at > WIDTH + period:
                    continue
                y = height - rise(at) + 8
                body += (
                    f'<path d="M{at:.0f} {y - 74 * size:.0f} L{at + 24 * size:.0f} {y:.0f} '
                    f'L{at - 24 * size:.0f} {y:.0f} Z" fill="{colour}"/>'
                )
        return body

    return draw


def _birds(loop_s: int, *, y: float, turns: int = 1) -> Layer:
    bird = "".join(
        f'<path d="M{x} {y0} q14 -16 26 0 q12 -16 26 0" fill="none" stroke="#fff" stroke-opacity=".8" stroke-width="4"/>'
        for x, y0 in ((10, 60), (78, 36), (140, 66), (84, 92))
    )
    return Layer(
        bird, 220, 110, f"-240+mod(t*{2200 * turns / loop_s:.5f}\\,2200)", _sway(y, 22, 3 * turns, loop_s)
    )


def _lantern(hot: str, edge: str) -> str:
    return (
        f'<defs><radialGradient id="l"><stop offset="0" stop-color="#fff2c4"/><stop offset=".5" stop-color="{hot}"/>'
        f'<stop offset="1" stop-color="{edge}"/></radialGradient><radialGradient id="w"><stop offset="0" '
        f'stop-color="{hot}" stop-opacity=".55"/><stop offset="1" stop-color="{hot}" stop-opacity="0"/>'
        '</radialGradient></defs><circle cx="90" cy="100" r="90" fill="url(#w)"/>'
        '<rect x="70" y="42" width="40" height="12" rx="4" fill="#f7c35b"/>'
        '<ellipse cx="90" cy="100" rx="56" ry="48" fill="url(#l)"/>'
        f'<path d="M90 52 V148 M64 58 Q44 100 64 142 M116 58 Q136 100 116 142" stroke="{edge}" stroke-opacity=".6" '
        'stroke-width="3" fill="none"/><rect x="70" y="146" width="40" height="12" rx="4" fill="#f7c35b"/>'
        '<path d="M82 158 V200 M90 158 V208 M98 158 V200" stroke="#f7c35b" stroke-width="3"/>'
    )


def _fish(body: str, fin: str) -> str:
    return (
        f'<path d="M40 60 Q100 0 170 56 Q100 118 40 60 Z" fill="{body}"/><path d="M52 60 L4 22 Q22 60 4 98 Z" fill="{fin}"/>'
        f'<path d="M96 30 Q118 -4 138 34 Z" fill="{fin}"/><path d="M92 70 q-10 26 22 30 q8 -16 2 -28 Z" fill="{fin}"/>'
        '<circle cx="142" cy="50" r="9" fill="#fff"/><circle cx="144" cy="50" r="4.5" fill="#102030"/>'
        f'<path d="M118 36 Q106 60 118 84 M96 34 Q84 60 96 88" stroke="{fin}" stroke-width="5" fill="none"/>'
    )


def _boat(hull: str, cover: str) -> str:
    return (
        f'<path d="M6 84 Q120 122 254 74 Q230 132 130 132 Q40 132 6 84 Z" fill="{hull}"/>'
        f'<path d="M70 92 Q82 44 130 44 Q178 44 190 90 Q130 108 70 92 Z" fill="{cover}"/>'
        '<rect x="118" y="62" width="22" height="22" rx="4" fill="#ffd88a"/>'
        f'<path d="M206 80 V20" stroke="{hull}" stroke-width="6"/><circle cx="206" cy="22" r="11" fill="#ffb347"/>'
    )


def _kite(colour: str, second: str) -> str:
    return (
        f'<path d="M80 0 L150 70 L80 170 L10 70 Z" fill="{colour}"/><path d="M80 0 L80 170 L150 70 Z" fill="{second}"/>'
        f'<path d="M10 70 H150 M80 0 V170" stroke="#fff" stroke-opacity=".7" stroke-width="3"/>'
        f'<path d="M80 170 q-26 28 0 52 q26 26 0 56" stroke="{second}" stroke-width="6" fill="none"/>'
    )


# Scenes ---------------------------------------------------------------------------------------------

_Made = tuple[str, list[Layer]]


def _terraces(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    return "", [
        _clouds(dice, "#ffe9c9", count=4, top=70, opacity=0.32, loop_s=s),
        _range(dice, p[3], foot=700, height=280, period=960, loop_s=s, still=True, sharp=3.0, waves=5),
        _range(dice, p[4], foot=810, height=230, period=1440, loop_s=s, still=True, sharp=2.4),
        _birds(s, y=300),
        _range(
            dice,
            p[5],
            foot=920,
            height=170,
            loop_s=s,
            waves=3,
            lines=p[2],
            extras=_houses(p[6], "#4a3026", count=6, start=180, step=86),
        ),
        _range(dice, p[6], foot=1040, height=130, loop_s=s, turns=2, waves=3, lines=p[2]),
    ]


def _paddies(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    return "", [
        _clouds(dice, "#ffffff", count=4, top=60, opacity=0.4, loop_s=s),
        _range(dice, p[3], foot=720, height=240, period=960, loop_s=s, still=True, sharp=3.0, waves=5),
        _range(
            dice,
            p[4],
            foot=820,
            height=150,
            period=1440,
            loop_s=s,
            still=True,
            extras=_trees(p[5], count=26, period=1440, dice=dice),
        ),
        _birds(s, y=260),
        _range(dice, p[5], foot=930, height=120, loop_s=s, waves=2, lines=p[2]),
        _range(dice, p[6], foot=1040, height=100, loop_s=s, turns=2, waves=2, lines=p[2]),
    ]


def _city(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s

    def skyline(colour: str, foot: float, height: float, period: int, turns: int, lit: float) -> Layer:
        body, x = "", 0
        while x < period:
            wide = min(dice.choice((70, 90, 110, 140)), period - x)
            high = dice.uniform(0.35, 1.0) * height
            tower = (
                f'<rect x="0" y="{height - high:.0f}" width="{wide + 1}" height="{HEIGHT}" fill="{colour}"/>'
            )
            if high > height * 0.8:
                tower += f'<rect x="{wide / 2 - 3:.0f}" y="{height - high - 50:.0f}" width="6" height="52" fill="{colour}"/>'
            for row in range(int(high // 34) + 6):
                for column in range(wide // 26):
                    if dice.random() < lit:
                        light = dice.choice(("#ffd88a", "#ffe9b8", "#9fc4ff"))
                        tower += (
                            f'<rect x="{10 + column * 26}" y="{height - high + 18 + row * 34:.0f}" width="13" height="17" '
                            f'fill="{light}" fill-opacity="{dice.uniform(0.45, 0.95):.2f}"/>'
                        )
            for shift in range(0, WIDTH + period, period):
                body += f'<g transform="translate({x + shift} 60)">{tower}</g>'
            x += wide
        return Layer(
            body,
            WIDTH + period,
            HEIGHT - foot + height + 60,
            _drift(period, turns, s),
            f"{foot - height - 60:.0f}",
        )

    lights = "".join(
        f'<rect x="{x}" y="6" width="{dice.choice((40, 60))}" height="8" rx="4" fill="{dice.choice(("#ff6b5e", "#ffe3a3"))}"/>'
        for x in range(0, WIDTH + 960, 160)
    )
    return _stars(dice, 90, 420), [
        replace(skyline(p[3], 820, 270, 960, 1, 0.12), x="0", still=True),
        replace(skyline(p[4], 930, 330, 1200, 1, 0.2), x="0", still=True),
        skyline(p[5], 1040, 300, WIDTH, 1, 0.34),
        Layer(
            f'<rect width="{WIDTH + 960}" height="90" y="10" fill="{p[6]}"/>' + lights,
            WIDTH + 960,
            100,
            _drift(960, 12, s),
            "985",
        ),
    ]


def _lanterns(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        _range(dice, p[3], foot=800, height=180, period=960, loop_s=s, still=True, sharp=2.8),
        _range(
            dice,
            p[4],
            foot=900,
            height=150,
            loop_s=s,
            still=True,
            extras=_houses(p[6], "#2a1030", count=9, start=120, step=92),
        ),
        _water(p[5], p[2], top=900, period=640, turns=2, loop_s=s),
    ]
    for n in range(7):
        x = 60 + n * 165 + dice.uniform(-20, 20)
        rising = f"1080-mod(t*{1400 * (1 + n % 2) / s:.4f}+{dice.uniform(0, 1400):.0f}\\,1400)"
        layers.append(Layer(_lantern("#ff9d4d", "#d2452f"), 180, 212, _sway(x, 34, 2 + n % 3, s, n), rising))
    return _stars(dice, 110, 560), layers


def _reef(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    rays = "".join(
        f'<path d="M{x} 0 L{x + 90} 0 L{x - 160} 1080 L{x - 420} 1080 Z" fill="#fff" fill-opacity=".05"/>'
        for x in range(300, 2100, 260)
    )
    bubbles = "".join(
        f'<circle cx="{dice.uniform(20, 180):.0f}" cy="{y}" r="{dice.uniform(6, 18):.0f}" fill="none" stroke="#fff" '
        f'stroke-opacity=".6" stroke-width="4"/>'
        for y in range(20, 480, 46)
    )
    layers = [
        _range(dice, p[3], foot=900, height=190, period=960, loop_s=s, still=True, waves=6, sharp=1.2),
        Layer(bubbles, 200, 500, "260", f"1080-mod(t*{1600 * 4 / s:.4f}\\,1600)"),
        Layer(bubbles, 200, 500, "1560", f"1080-mod(t*{1600 * 3 / s:.4f}+700\\,1600)"),
    ]
    for n, (body, fin) in enumerate(
        (("#ff9f43", "#ff6b3d"), ("#ffd84d", "#ff9d2e"), ("#ff7d9c", "#d94f7e"), ("#7df0c8", "#2fb893"))
    ):
        path = f"-200+mod(t*{2200 * (2 + n % 3) / s:.5f}+{n * 520}\\,2200)"
        layers.append(
            Layer(_fish(body, fin), 180, 120, path, _sway((170, 640, 730, 820)[n], 40, 5 + n, s, n * 1.3))
        )
    layers.append(_range(dice, p[5], foot=1000, height=130, period=1440, loop_s=s, waves=7, sharp=0.8))
    layers.append(_range(dice, p[6], foot=1060, height=90, loop_s=s, turns=2, waves=6, sharp=1.0, lines=p[2]))
    return rays, layers


def _stage(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    fan = "".join(
        f'<path d="M200 190 L{200 + 180 * math.sin(a):.0f} {190 - 180 * math.cos(a):.0f} '
        f'L{200 + 180 * math.sin(a + 0.2):.0f} {190 - 180 * math.cos(a + 0.2):.0f} Z" '
        f'fill="{"#f7c35b" if n % 2 else "#e8862e"}"/>'
        for n, a in enumerate(-1.3 + i * 0.2 for i in range(13))
    )
    pavilion = (
        f'<g fill="{p[6]}"><path d="M120 640 Q300 610 330 520 L360 480 L390 520 Q420 610 600 640 Q520 650 500 640 H220 Q200 650 120 640 Z"/>'
        '<rect x="210" y="640" width="24" height="240"/><rect x="486" y="640" width="24" height="240"/>'
        '<rect x="330" y="640" width="18" height="240"/><rect x="376" y="640" width="18" height="240"/>'
        '<rect x="150" y="870" width="420" height="210"/></g>'
    )
    layers = [
        _clouds(dice, "#f7c35b", count=4, top=90, opacity=0.28, loop_s=s),
        _range(dice, p[3], foot=780, height=200, period=960, loop_s=s, still=True, sharp=2.8),
        _range(dice, p[4], foot=880, height=160, period=1440, loop_s=s, still=True),
        Layer(pavilion, 720, HEIGHT, "60", "0", still=True),
        Layer(fan, 400, 200, _sway(640, 120, 6, s), _sway(700, 30, 12, s)),
        _range(dice, p[5], foot=1000, height=90, loop_s=s, waves=2, lines=p[2]),
        _range(dice, p[6], foot=1060, height=70, loop_s=s, turns=2, waves=2),
    ]
    layers += [
        Layer(
            _lantern("#ff7a3d", "#c3202a"),
            180,
            212,
            _sway(70 + n * 230, 20, 6, s, n * 0.8),
            f"{20 + (n % 2) * 46}",
        )
        for n in range(4)
    ]
    return "", layers


def _lake(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    return _stars(dice, 160, 560), [
        _range(dice, p[3], foot=760, height=230, period=960, loop_s=s, still=True, sharp=3.2, waves=5),
        _range(
            dice,
            p[4],
            foot=790,
            height=120,
            period=1440,
            loop_s=s,
            still=True,
            extras=_trees(p[5], count=30, period=1440, dice=dice),
        ),
        _water(p[5], "#cfe2ff", top=780, period=640, turns=3, loop_s=s),
        Layer(
            _boat("#0a1020", "#2c2018"),
            260,
            140,
            f"-280+mod(t*{2280 / s:.5f}+900\\,2280)",
            _sway(800, 8, 15, s),
        ),
        _water(p[6], "#9fc0f0", top=930, period=960, turns=3, loop_s=s, swell=18),
    ]


def _planets(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    orbits = "".join(
        f'<ellipse cx="560" cy="500" rx="{r}" ry="{r * 0.42:.0f}" fill="none" stroke="{p[2]}" stroke-opacity=".35" stroke-width="3"/>'
        for r in (200, 330, 470)
    )
    core = (
        '<defs><radialGradient id="core"><stop offset="0" stop-color="#fff8d8"/><stop offset=".35" stop-color="#ffd36b"/>'
        '<stop offset="1" stop-color="#ffd36b" stop-opacity="0"/></radialGradient></defs><circle cx="560" cy="500" r="170" fill="url(#core)"/>'
    )
    layers = []
    for n, (reach, size, light, dark) in enumerate(
        ((200, 22, "#ffd9b0", "#b8674a"), (330, 34, "#9fe0ff", "#2a6ea8"), (470, 48, "#ffe6a0", "#b07a2a"))
    ):
        planet = (
            f'<defs><radialGradient id="p" cx=".35" cy=".35"><stop offset="0" stop-color="{light}"/><stop offset="1" '
            f'stop-color="{dark}"/></radialGradient></defs><circle cx="80" cy="80" r="{size}" fill="url(#p)"/>'
        )
        if n == 2:  # noqa: PLR2004 - the outermost wears a ring
            planet += f'<ellipse cx="80" cy="80" rx="76" ry="18" fill="none" stroke="{light}" stroke-width="5" transform="rotate(-16 80 80)"/>'
        turn = f"2*PI*{6 - 2 * n}*t/{s}+{n * 2}"
        layers.append(
            Layer(planet, 160, 160, f"480+{reach}*cos({turn})", f"420+{reach * 0.42:.1f}*sin({turn})")
        )
    layers += [
        _range(dice, p[4], foot=960, height=150, period=960, loop_s=s, still=True, sharp=2.0),
        _range(dice, p[6], foot=1050, height=120, loop_s=s, waves=3),
    ]
    return _stars(dice, 220, 900) + orbits + core, layers


def _kites(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        _clouds(dice, "#ffffff", count=5, top=50, opacity=0.7, loop_s=s),
        _range(dice, p[3], foot=830, height=150, period=960, loop_s=s, still=True),
        _range(
            dice,
            p[4],
            foot=920,
            height=120,
            period=1440,
            loop_s=s,
            still=True,
            extras=_trees(p[6], count=20, period=1440, dice=dice),
        ),
    ]
    for n, (one, two) in enumerate((("#ff5d4d", "#d6362f"), ("#ffcf3d", "#f09a1a"), ("#7a5cff", "#4f36c8"))):
        layers.append(
            Layer(
                _kite(one, two),
                160,
                280,
                _sway(180 + n * 290, 90, 3 + n, s, n),
                _sway(230 + (n % 2) * 130, 60, 5 + n, s, n * 2),
            )
        )
    layers.append(_range(dice, p[5], foot=1040, height=90, loop_s=s, turns=1, waves=2, lines=p[2]))
    ball = (
        '<circle cx="60" cy="60" r="56" fill="#fff"/><path d="M60 30 L86 50 L76 82 L44 82 L34 50 Z" fill="#223"/>'
        '<path d="M60 4 V30 M86 50 L112 40 M76 82 L92 106 M44 82 L28 106 M34 50 L8 40" stroke="#223" stroke-width="5"/>'
    )
    layers.append(
        Layer(ball, 120, 120, f"-120+mod(t*{2040 * 6 / s:.4f}\\,2040)", f"860-360*abs(sin(2*PI*{15}*t/{s}))")
    )
    return "", layers


def _waves(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        _water(
            colour,
            p[2],
            top=560 + n * 105,
            period=(640, 960, 1280, 1920, 1920)[n],
            turns=(3, 2, 3, 1, 2)[n],
            loop_s=s,
            swell=44 - n * 4,
        )
        for n, colour in enumerate((p[3], p[4], p[5], p[6]))
    ]
    note = (
        '<g fill="#fff4d6"><ellipse cx="34" cy="128" rx="28" ry="20" transform="rotate(-18 34 128)"/><rect x="56" y="20" width="8" height="108"/>'
        '<path d="M60 20 q44 12 38 62 q-6 -30 -38 -34 Z"/></g>'
    )
    for n in range(5):
        layers.insert(
            1 + n % 3,
            Layer(
                note,
                110,
                160,
                _sway(130 + n * 190, 40, 3 + n % 2, s, n),
                _sway(420 + (n % 3) * 70, 110, 10 + 5 * (n % 2), s, n * 1.1),
            ),
        )
    return _stars(dice, 60, 420), layers


def _bridge(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    arches = "".join(
        f'<path d="M{150 + n * 230} 330 A95 110 0 0 1 {340 + n * 230} 330 Z" fill="{p[2]}" fill-opacity=".5"/>'
        for n in range(3)
    )
    bridge = f'<path d="M0 250 Q490 40 980 250 L980 330 L0 330 Z" fill="{p[6]}"/>{arches}' + "".join(
        f'<rect x="{x}" y="{232 - 146 * (1 - ((x - 490) / 490) ** 2) * 0.72 - 30:.0f}" width="10" height="40" fill="{p[6]}"/>'
        for x in range(20, 970, 46)
    )
    return "", [
        _clouds(dice, "#fff6dd", count=4, top=80, opacity=0.45, loop_s=s),
        _range(dice, p[3], foot=740, height=260, period=960, loop_s=s, still=True, sharp=3.2, waves=5),
        _range(
            dice,
            p[4],
            foot=820,
            height=150,
            period=1440,
            loop_s=s,
            still=True,
            extras=_trees(p[5], count=22, period=1440, dice=dice),
        ),
        _birds(s, y=240),
        _water(p[5], p[2], top=830, period=640, turns=3, loop_s=s),
        Layer(bridge, 980, 332, "-60", "580"),
        Layer(
            _boat("#2a1708", "#6b4520"),
            260,
            140,
            f"-280+mod(t*{2280 / s:.5f}+1500\\,2280)",
            _sway(860, 7, 15, s),
        ),
        _water(p[6], p[2], top=985, period=960, turns=3, loop_s=s, swell=14),
    ]


def _summit(channel: DemoChannel, dice: random.Random) -> _Made:
    p, s = channel.palette, channel.video_loop_s
    peak = (
        '<defs><linearGradient id="m" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#fdeef0"/><stop offset=".45" '
        f'stop-color="{p[3]}"/><stop offset="1" stop-color="{p[5]}"/></linearGradient></defs>'
        '<path d="M-40 1080 L210 640 L300 700 L520 330 L640 470 L700 430 L900 700 L980 650 L1240 1080 Z" fill="url(#m)"/>'
        '<path d="M520 330 L640 470 L610 560 L560 500 L520 600 L470 520 L430 560 L410 515 Z M210 640 L300 700 L262 760 L214 716 L160 772 L168 714 Z" '
        'fill="#fff" fill-opacity=".92"/>'
    )
    return _stars(dice, 120, 420) + peak, [
        _clouds(dice, "#ffe6ea", count=2, top=640, opacity=0.75, loop_s=s, period=960),
        _clouds(dice, "#e9d5f0", count=2, top=760, opacity=0.9, loop_s=s, period=960),
        _range(
            dice,
            p[5],
            foot=1010,
            height=120,
            period=480,
            loop_s=s,
            waves=2,
            extras=_trees(p[6], count=7, period=480, dice=dice),
        ),
        _range(dice, p[6], foot=1060, height=70, period=960, loop_s=s, waves=3),
    ]


_SCENES: dict[Scene, Callable[[DemoChannel, random.Random], _Made]] = {
    Scene.TERRACES: _terraces,
    Scene.CITY: _city,
    Scene.LANTERNS: _lanterns,
    Scene.PADDIES: _paddies,
    Scene.REEF: _reef,
    Scene.STAGE: _stage,
    Scene.LAKE: _lake,
    Scene.PLANETS: _planets,
    Scene.KITES: _kites,
    Scene.WAVES: _waves,
    Scene.BRIDGE: _bridge,
    Scene.SUMMIT: _summit,
}
