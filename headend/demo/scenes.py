"""What each channel's picture is composed of.

One rule: what stands still comes first and says so, because every moving layer
costs encoding time at the first start.
"""

# ruff: noqa: E501 - the paths of a drawing read worse when broken

import math
import random
from collections.abc import Callable
from dataclasses import replace

from headend.demo.artwork import HEIGHT, WIDTH, Layer, drift, sway
from headend.demo.channels import DemoChannel, Scene
from headend.demo.figures import boat, fish, kite, lantern
from headend.demo.landscape import birds, clouds, hills, houses, stars, trees, water
from headend.demo.skyline import skyline

Made = tuple[str, list[Layer]]
"""What is drawn into the sky, and the layers in front of it."""


def _terraces(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    return "", [
        clouds(dice, "#ffe9c9", count=4, top=70, opacity=0.32, loop_s=s),
        hills(dice, p[3], foot=700, height=280, period=960, loop_s=s, still=True, sharp=3.0, waves=5),
        hills(dice, p[4], foot=810, height=230, period=1440, loop_s=s, still=True, sharp=2.4),
        birds(s, y=300),
        hills(
            dice,
            p[5],
            foot=920,
            height=170,
            loop_s=s,
            still=True,
            waves=3,
            lines=p[2],
            extras=houses(p[6], "#4a3026", count=6, start=180, step=86),
        ),
        hills(dice, p[6], foot=1040, height=130, loop_s=s, turns=2, waves=3, lines=p[2]),
    ]


def _paddies(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    return "", [
        clouds(dice, "#ffffff", count=4, top=60, opacity=0.4, loop_s=s),
        hills(dice, p[3], foot=720, height=240, period=960, loop_s=s, still=True, sharp=3.0, waves=5),
        hills(
            dice,
            p[4],
            foot=820,
            height=150,
            period=1440,
            loop_s=s,
            still=True,
            extras=trees(p[5], count=26, period=1440, dice=dice),
        ),
        birds(s, y=260),
        hills(dice, p[5], foot=930, height=120, loop_s=s, still=True, waves=2, lines=p[2]),
        hills(dice, p[6], foot=1040, height=100, loop_s=s, turns=2, waves=2, lines=p[2]),
    ]


def _city(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s

    lights = "".join(
        f'<rect x="{x}" y="6" width="{dice.choice((40, 60))}" height="8" rx="4" fill="{dice.choice(("#ff6b5e", "#ffe3a3"))}"/>'
        for x in range(0, WIDTH + 960, 160)
    )
    return stars(dice, 90, 420), [
        replace(skyline(dice, p[3], foot=820, height=270, period=960, lit=0.12, loop_s=s), x="0", still=True),
        replace(skyline(dice, p[4], foot=930, height=330, period=1200, lit=0.2, loop_s=s), x="0", still=True),
        skyline(dice, p[5], foot=1040, height=300, period=WIDTH, lit=0.34, loop_s=s),
        Layer(
            f'<rect width="{WIDTH + 960}" height="90" y="10" fill="{p[6]}"/>' + lights,
            WIDTH + 960,
            100,
            drift(960, 12, s),
            "985",
        ),
    ]


def _lanterns(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        hills(dice, p[3], foot=800, height=180, period=960, loop_s=s, still=True, sharp=2.8),
        hills(
            dice,
            p[4],
            foot=900,
            height=150,
            loop_s=s,
            still=True,
            extras=houses(p[6], "#2a1030", count=9, start=120, step=92),
        ),
        water(p[5], p[2], top=900, period=640, turns=2, loop_s=s),
    ]
    for n in range(7):
        x = 60 + n * 165 + dice.uniform(-20, 20)
        rising = f"1080-mod(t*{1400 * (1 + n % 2) / s:.4f}+{dice.uniform(0, 1400):.0f}\\,1400)"
        layers.append(Layer(lantern("#ff9d4d", "#d2452f"), 180, 212, sway(x, 34, 2 + n % 3, s, n), rising))
    return stars(dice, 110, 560), layers


def _reef(channel: DemoChannel, dice: random.Random) -> Made:
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
        hills(dice, p[3], foot=900, height=190, period=960, loop_s=s, still=True, waves=6, sharp=1.2),
        Layer(bubbles, 200, 500, "260", f"1080-mod(t*{1600 * 4 / s:.4f}\\,1600)"),
        Layer(bubbles, 200, 500, "1560", f"1080-mod(t*{1600 * 3 / s:.4f}+700\\,1600)"),
    ]
    for n, (body, fin) in enumerate(
        (("#ff9f43", "#ff6b3d"), ("#ffd84d", "#ff9d2e"), ("#ff7d9c", "#d94f7e"), ("#7df0c8", "#2fb893"))
    ):
        path = f"-200+mod(t*{2200 * (2 + n % 3) / s:.5f}+{n * 520}\\,2200)"
        layers.append(
            Layer(fish(body, fin), 180, 120, path, sway((170, 640, 730, 820)[n], 40, 5 + n, s, n * 1.3))
        )
    layers.append(
        hills(dice, p[5], foot=1000, height=130, period=1440, loop_s=s, still=True, waves=7, sharp=0.8)
    )
    layers.append(hills(dice, p[6], foot=1060, height=90, loop_s=s, turns=2, waves=6, sharp=1.0, lines=p[2]))
    return rays, layers


def _stage(channel: DemoChannel, dice: random.Random) -> Made:
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
        clouds(dice, "#f7c35b", count=4, top=90, opacity=0.28, loop_s=s),
        hills(dice, p[3], foot=780, height=200, period=960, loop_s=s, still=True, sharp=2.8),
        hills(dice, p[4], foot=880, height=160, period=1440, loop_s=s, still=True),
        Layer(pavilion, 720, HEIGHT, "60", "0", still=True),
        Layer(fan, 400, 200, sway(640, 120, 6, s), sway(700, 30, 12, s)),
        hills(dice, p[5], foot=1000, height=90, loop_s=s, still=True, waves=2, lines=p[2]),
        hills(dice, p[6], foot=1060, height=70, loop_s=s, turns=2, waves=2),
    ]
    layers += [
        Layer(
            lantern("#ff7a3d", "#c3202a"),
            180,
            212,
            sway(70 + n * 230, 20, 6, s, n * 0.8),
            f"{20 + (n % 2) * 46}",
        )
        for n in range(4)
    ]
    return "", layers


def _lake(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    return stars(dice, 160, 560), [
        hills(dice, p[3], foot=760, height=230, period=960, loop_s=s, still=True, sharp=3.2, waves=5),
        hills(
            dice,
            p[4],
            foot=790,
            height=120,
            period=1440,
            loop_s=s,
            still=True,
            extras=trees(p[5], count=30, period=1440, dice=dice),
        ),
        replace(water(p[5], "#cfe2ff", top=780, period=640, turns=3, loop_s=s), x="0", still=True),
        Layer(
            boat("#0a1020", "#2c2018"),
            260,
            140,
            f"-280+mod(t*{2280 / s:.5f}+900\\,2280)",
            sway(800, 8, 15, s),
        ),
        water(p[6], "#9fc0f0", top=930, period=960, turns=3, loop_s=s, swell=18),
    ]


def _planets(channel: DemoChannel, dice: random.Random) -> Made:
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
        hills(dice, p[4], foot=960, height=150, period=960, loop_s=s, still=True, sharp=2.0),
        hills(dice, p[6], foot=1050, height=120, loop_s=s, waves=3),
    ]
    return stars(dice, 220, 900) + orbits + core, layers


def _kites(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        clouds(dice, "#ffffff", count=5, top=50, opacity=0.7, loop_s=s),
        hills(dice, p[3], foot=830, height=150, period=960, loop_s=s, still=True),
        hills(
            dice,
            p[4],
            foot=920,
            height=120,
            period=1440,
            loop_s=s,
            still=True,
            extras=trees(p[6], count=20, period=1440, dice=dice),
        ),
    ]
    for n, (one, two) in enumerate((("#ff5d4d", "#d6362f"), ("#ffcf3d", "#f09a1a"), ("#7a5cff", "#4f36c8"))):
        layers.append(
            Layer(
                kite(one, two),
                160,
                280,
                sway(180 + n * 290, 90, 3 + n, s, n),
                sway(230 + (n % 2) * 130, 60, 5 + n, s, n * 2),
            )
        )
    layers.append(hills(dice, p[5], foot=1040, height=90, loop_s=s, turns=1, waves=2, lines=p[2]))
    ball = (
        '<circle cx="60" cy="60" r="56" fill="#fff"/><path d="M60 30 L86 50 L76 82 L44 82 L34 50 Z" fill="#223"/>'
        '<path d="M60 4 V30 M86 50 L112 40 M76 82 L92 106 M44 82 L28 106 M34 50 L8 40" stroke="#223" stroke-width="5"/>'
    )
    layers.append(
        Layer(ball, 120, 120, f"-120+mod(t*{2040 * 6 / s:.4f}\\,2040)", f"860-360*abs(sin(2*PI*{15}*t/{s}))")
    )
    return "", layers


def _waves(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    layers = [
        water(
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
    calm = layers[:2]
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
                sway(130 + n * 190, 40, 3 + n % 2, s, n),
                sway(420 + (n % 3) * 70, 110, 10 + 5 * (n % 2), s, n * 1.1),
            ),
        )
    layers = [replace(one, x="0", still=True) if one in calm else one for one in layers]
    return stars(dice, 60, 420), layers


def _bridge(channel: DemoChannel, dice: random.Random) -> Made:
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
        clouds(dice, "#fff6dd", count=4, top=80, opacity=0.45, loop_s=s),
        hills(dice, p[3], foot=740, height=260, period=960, loop_s=s, still=True, sharp=3.2, waves=5),
        hills(
            dice,
            p[4],
            foot=820,
            height=150,
            period=1440,
            loop_s=s,
            still=True,
            extras=trees(p[5], count=22, period=1440, dice=dice),
        ),
        birds(s, y=240),
        replace(water(p[5], p[2], top=830, period=640, turns=3, loop_s=s), x="0", still=True),
        Layer(bridge, 980, 332, "-60", "580"),
        Layer(
            boat("#2a1708", "#6b4520"),
            260,
            140,
            f"-280+mod(t*{2280 / s:.5f}+1500\\,2280)",
            sway(860, 7, 15, s),
        ),
        water(p[6], p[2], top=985, period=960, turns=3, loop_s=s, swell=14),
    ]


def _summit(channel: DemoChannel, dice: random.Random) -> Made:
    p, s = channel.palette, channel.video_loop_s
    peak = (
        '<defs><linearGradient id="m" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#fdeef0"/><stop offset=".45" '
        f'stop-color="{p[3]}"/><stop offset="1" stop-color="{p[5]}"/></linearGradient></defs>'
        '<path d="M-40 1080 L210 640 L300 700 L520 330 L640 470 L700 430 L900 700 L980 650 L1240 1080 Z" fill="url(#m)"/>'
        '<path d="M520 330 L640 470 L610 560 L560 500 L520 600 L470 520 L430 560 L410 515 Z M210 640 L300 700 L262 760 L214 716 L160 772 L168 714 Z" '
        'fill="#fff" fill-opacity=".92"/>'
    )
    return stars(dice, 120, 420) + peak, [
        clouds(dice, "#ffe6ea", count=2, top=640, opacity=0.75, loop_s=s, period=960),
        clouds(dice, "#e9d5f0", count=2, top=760, opacity=0.9, loop_s=s, period=960),
        hills(
            dice,
            p[5],
            foot=1010,
            height=120,
            period=480,
            loop_s=s,
            still=True,
            waves=2,
            extras=trees(p[6], count=7, period=480, dice=dice),
        ),
        hills(dice, p[6], foot=1060, height=70, period=960, loop_s=s, waves=3),
    ]


SCENES: dict[Scene, Callable[[DemoChannel, random.Random], Made]] = {
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
