"""Which player a box gets.

One rule: a picture always has a place: on the display if there is one, in the
page otherwise.
"""

from typing import Literal

from gateway.media.inpage import InPagePlayer
from gateway.media.mpv import MPV
from gateway.media.player import Plane
from gateway.media.player_process import ProcessPlayer
from gateway.media.prepared import PreparedPlayer
from gateway.media.simulated import SimulatedPlayer
from gateway.media.vlc import VLC

PlayerKind = Literal["vlc", "mpv", "simulated", "inpage"]
AnyPlayer = ProcessPlayer | PreparedPlayer | InPagePlayer | SimulatedPlayer

_BACKENDS = {"vlc": VLC, "mpv": MPV}


def choose_player(
    kind: PlayerKind,
    *,
    display: str | None,
    plane: Plane = Plane.OSD,
    options: tuple[str, ...] = (),
    second_decoder: bool = False,
) -> AnyPlayer:
    """Return the player for this box, not yet running.

    Args:
        kind: What the configuration wants.
        display: X display such as ``:0``; `None` when there is none, then the page plays.
        plane: `Plane.UNDER` where a transparent page lies above the picture.
        options: Of the board, for this kind of player.
        second_decoder: Whether the board decodes two channels at once.
    """
    if kind == "simulated":
        return SimulatedPlayer()
    if kind == "inpage" or not display:
        return InPagePlayer()
    backend = _BACKENDS[kind]
    one = ProcessPlayer(backend, display=display, plane=plane, options=options)
    if not second_decoder:
        return one
    return PreparedPlayer(one, ProcessPlayer(backend, display=display, plane=plane, options=options))
