"""Hills, water, clouds, stars, houses and trees for the channels' scenery.

One rule: what drifts is as wide as the picture and one period more, and the
same at both ends of a period.
"""

# ruff: noqa: E501 - the paths of a drawing read worse when broken

import math
import random
from collections.abc import Callable

from headend.demo.artwork import HEIGHT, WIDTH, Layer, drift, sway

STEP = 12
Rise = Callable[[float], float]
Decoration = Callable[[Rise, float], str]
"""Draws on a ridge, given its height over the foot at any x, and where the foot is."""


def _profile(dice: random.Random, period: float, height: float, *, sharp: float, waves: int) -> Rise:
    parts = [(n, dice.uniform(0, math.tau), 1 / (1 + 0.6 * i)) for i, n in enumerate(range(1, waves + 1))]
    total = sum(weight for _, _, weight in parts)

    def rise(x: float) -> float:
        wave = sum(w * math.sin(math.tau * n * x / period + p) for n, p, w in parts) / total
        return height * (math.exp(sharp * wave) - math.exp(-sharp)) / (math.exp(sharp) - math.exp(-sharp))

    return rise


def hills(  # noqa: PLR0913 - a mountain range has this many properties
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
    extras: Decoration | None = None,
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
    x = "0" if still else drift(period, turns, loop_s)
    return Layer(drawing, width, deep, x, f"{top:.1f}", still)


def water(  # noqa: PLR0913 - likewise
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
    return Layer(drawing, width, deep, drift(period, turns, loop_s), f"{top:.1f}")


def stars(dice: random.Random, count: int, below: float) -> str:
    """Return stars in the sky above `below`."""
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


def clouds(  # noqa: PLR0913 - likewise
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
    """Return clouds that drift past, `count` in a period."""
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
    return Layer(body, WIDTH + period, high, drift(period, turns, loop_s), f"{top:.0f}")


def houses(wall: str, roof: str, *, count: int, start: float, step: float) -> Decoration:
    """Return houses along a ridge, from `start` every `step` units."""

    def draw(rise: Rise, height: float) -> str:
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


def trees(colour: str, *, count: int, period: float, dice: random.Random) -> Decoration:
    """Return firs on a ridge that repeats every `period` units."""
    places = [(dice.uniform(0, period), dice.uniform(0.7, 1.3)) for _ in range(count)]

    def draw(rise: Rise, height: float) -> str:
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


def birds(loop_s: int, *, y: float, turns: int = 1) -> Layer:
    """Return a flock that crosses the picture."""
    bird = "".join(
        f'<path d="M{x} {y0} q14 -16 26 0 q12 -16 26 0" fill="none" stroke="#fff" stroke-opacity=".8" stroke-width="4"/>'
        for x, y0 in ((10, 60), (78, 36), (140, 66), (84, 92))
    )
    return Layer(
        bird, 220, 110, f"-240+mod(t*{2200 * turns / loop_s:.5f}\\,2200)", sway(y, 22, 3 * turns, loop_s)
    )
