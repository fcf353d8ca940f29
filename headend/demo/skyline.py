"""A city at night, for the news channel's picture."""

# ruff: noqa: E501 - the paths of a drawing read worse when broken

import random

from headend.demo.artwork import HEIGHT, WIDTH, Layer, drift


def skyline(  # noqa: PLR0913 - a city has this many properties
    dice: random.Random, colour: str, *, foot: float, height: float, period: int, lit: float, loop_s: int
) -> Layer:
    """Return towers that drift past; `lit` is the share of windows with light."""
    body, x = "", 0
    while x < period:
        wide = min(dice.choice((70, 90, 110, 140)), period - x)
        high = dice.uniform(0.35, 1.0) * height
        tower = f'<rect x="0" y="{height - high:.0f}" width="{wide + 1}" height="{HEIGHT}" fill="{colour}"/>'
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
        drift(period, 1, loop_s),
        f"{foot - height - 60:.0f}",
    )
