"""Moving pictures in SVG: what a layer is, and the movements that close on themselves.

One rule: every movement comes back to where it began when the picture's loop
ends, so that the loop has no seam.  Drawn in a space of 1920 x 1080 units.
"""

from dataclasses import dataclass

WIDTH, HEIGHT = 1920, 1080


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
        return document(self.drawing, self.width, self.height, scale)


def document(drawing: str, width: float, height: float, scale: float) -> str:
    """Return the SVG document of a drawing, `scale` pixels per unit."""
    pixels = f'width="{round(width * scale)}" height="{round(height * scale)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {pixels} viewBox="0 0 {width:g} {height:g}" '
        f'preserveAspectRatio="none">{drawing}</svg>'
    )


def drift(period: float, turns: int, loop_s: int) -> str:
    """Return the left edge of what passes by: `turns` times `period` units per loop, leftwards."""
    return f"-mod(t*{period * turns / loop_s:.6f}\\,{period})"


def sway(centre: float, reach: float, turns: int, loop_s: int, phase: float = 0.0) -> str:
    """Return what swings about `centre`, `turns` times per loop."""
    return f"{centre:.1f}+{reach:.1f}*sin(2*PI*{turns}*t/{loop_s}+{phase:.2f})"
