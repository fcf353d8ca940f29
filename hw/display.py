"""Which screen there is to draw on.

One rule: what is not there is `None`, never an error; a box may be switched
on before its television.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Connector:
    """A video output of the kernel's display driver.

    Attributes:
        name: For example ``HDMI-A-1``.
        connected: Whether a screen is plugged in.
        modes: What the screen takes, largest first, such as ``3840x2160``.
    """

    name: str
    connected: bool
    modes: tuple[str, ...]


def x_display(environment: Mapping[str, str]) -> str | None:
    """Return the X display to draw on, `None` without one."""
    return environment.get("DISPLAY") or None


def connectors(root: Path = Path("/")) -> tuple[Connector, ...]:
    """Return the outputs listed below ``sys/class/drm``."""
    found = []
    for folder in sorted((root / "sys/class/drm").glob("card*-*")):
        try:
            status = (folder / "status").read_text().strip()
            modes = tuple(dict.fromkeys((folder / "modes").read_text().split()))
        except OSError:
            continue
        found.append(Connector(folder.name.partition("-")[2], status == "connected", modes))
    return tuple(found)
