from pathlib import Path

from hw.display import Connector, connectors, x_display
from hw.simulated import SimulatedBoard


def test_a_screen_is_seen_with_its_modes(tmp_path: Path) -> None:
    board = SimulatedBoard(tmp_path)
    assert connectors(board.root) == ()
    board.plug_screen(("3840x2160", "1920x1080"))
    assert connectors(board.root) == (Connector("HDMI-A-1", True, ("3840x2160", "1920x1080")),)


def test_no_display_is_no_error() -> None:
    assert x_display({}) is None
    assert x_display({"DISPLAY": ""}) is None
    assert x_display({"DISPLAY": ":7"}) == ":7"
