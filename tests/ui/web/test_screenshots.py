"""A picture of every screen in every mode, for people to look at.

One rule: the pictures are not compared with anything; what is judged here is
that nothing on a screen lies outside of it, and that every focused thing is
within the safe area.
"""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.ui.web.conftest import Television, TurnOn

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FOLDER = Path(__file__).parents[3] / "build" / "screenshots"
MODES: dict[str, dict[str, Any]] = {
    "normal": {"contrast": False},
    "elder": {"elder": True},
    "contrast": {"contrast": True},
    "english": {"language": "en"},
}
SAFE = (96 - 24, 54 - 12)
STILL = """document.getAnimations().every((a) => a.playState !== "running"
    || a.effect.getComputedTiming().iterations === Infinity)"""
FOCUSED = """[...document.querySelectorAll(".layer:last-child .f")]
    .map((each) => each.getBoundingClientRect().toJSON())"""


@pytest.mark.parametrize("mode", MODES)
async def test_every_screen_is_whole(turn_on: TurnOn, mode: str) -> None:
    tv = await turn_on(**MODES[mode])
    tv.house.expires_s = 0.2
    walk: list[tuple[str, tuple[str, ...], str]] = [
        ("banner", ("Enter", "ArrowRight", "ArrowRight"), ".banner .f"),
        ("home", ("Escape", "h"), ".home .btn.f"),
        ("home-channels", ("ArrowDown", "ArrowRight"), ".home .card.f"),
        ("home-apps", ("ArrowDown", "ArrowRight"), ".home .app.f"),
        ("app-menu", ("m",), ".menu .f"),
        ("app", ("Enter",), ".frame iframe.ready"),
        ("channels", ("h", "Escape", "ArrowLeft"), ".channels .row.f"),
        ("guide", ("Escape", "g", "ArrowRight"), ".guide .cell.f"),
        ("things", ("h", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight", "Enter"), ".things .f"),
        ("thing", ("ArrowRight", "Enter"), ".menu .f"),
        ("thing-target", ("ArrowDown", "Enter"), ".layer:last-child .choice.f .set"),
        ("recordings", ("h", "ArrowRight", "Enter"), ".one-kept.f"),
        ("recording", ("ArrowDown", "ArrowDown", "Enter"), ".menu .f"),
        (
            "search",
            ("h", "ArrowRight", "Enter", *["ArrowDown"] * 2, "Enter"),
            ".one-found:first-child",
        ),
        ("settings", ("h", "Escape", "m"), ".menu .f"),
        ("members", (*["ArrowDown"] * 7, "Enter"), ".layer:last-child .menu .f"),
        ("lock-pin", ("Escape", "ArrowUp", "Enter"), ".layer:last-child .pin"),
        ("lock-settings", ("2", "5", "8", "0", "Enter"), ".layer:last-child .choice.f .set"),
        ("phones", ("Escape", *["ArrowUp"] * 3, "Enter"), ".phones .qr"),
    ]
    for name, keys, there in walk:
        await tv.press(*keys)
        await expect(tv.see(there)).to_be_visible()
        await shoot(tv, f"{name}-{mode}")
    await tv.press("Escape")
    tv.house.lamp = "is silent"
    await tv.press("h", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight", "Enter", "Enter")
    await expect(tv.see(".told.bad")).to_be_visible()
    await shoot(tv, f"things-silent-{mode}")
    await tv.press("h", "Escape", "[")
    await expect(tv.see(".banner .shift")).to_be_visible()
    await shoot(tv, f"timeshift-{mode}")
    await tv.press("s")
    await expect(tv.see(".banner .shift")).to_have_count(0)
    tv.house.broken["c10"] = "TV-201"
    await tv.press("h", "Escape", "PageUp")
    await expect(tv.see(".say")).to_be_visible()
    await shoot(tv, f"failed-{mode}")
    await tv.press("1")
    await expect(tv.see(".digits")).to_be_visible()
    await shoot(tv, f"digits-{mode}")


async def shoot(tv: Television, name: str) -> None:
    """Keep a picture, once nothing moves but the television; the focus must be in the safe area."""
    await tv.until(STILL)
    FOLDER.mkdir(parents=True, exist_ok=True)
    await tv.page.screenshot(path=FOLDER / f"{name}.png")
    focused = await tv.evaluate(FOCUSED)
    for box in focused:
        assert box["left"] >= SAFE[0], name
        assert box["top"] >= SAFE[1], name
        assert box["right"] <= 1920, name
        assert box["bottom"] <= 1080 - SAFE[1], name
