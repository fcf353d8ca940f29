"""Which player a box gets, and where that player finds its streams.

One rule: a picture always has a place: on the display if there is one, in the
page otherwise.
"""

from typing import Literal

from gateway.media.inpage import InPagePlayer
from gateway.media.lineup import ChannelId
from gateway.media.player import Plane
from gateway.media.simulated import SimulatedPlayer
from gateway.media.tv import StreamSource
from gateway.media.tv_facts import TvConfig
from gateway.media.vlc import VlcPlayer

PlayerKind = Literal["vlc", "simulated", "inpage"]
AnyPlayer = VlcPlayer | InPagePlayer | SimulatedPlayer


class PageSource:
    """Streams as a page can play them: always a playlist, never endless MPEG-TS."""

    def __init__(self, relay: StreamSource) -> None:
        self._relay = relay

    async def open(self, channel: ChannelId) -> str:
        """See `gateway.media.tv.StreamSource`; the address is relative to the page's own."""
        await self._relay.open(channel)
        return f"/live/{channel}/index.m3u8"


def choose_player(
    kind: PlayerKind,
    config: TvConfig,
    *,
    display: str | None,
    plane: Plane = Plane.OSD,
    options: tuple[str, ...] = (),
) -> AnyPlayer:
    """Return the player for this box, not yet running.

    Args:
        kind: What the configuration wants.
        config: For its buffer.
        display: X display such as ``:0``; `None` when there is none, then the page plays.
        plane: `Plane.UNDER` where a transparent page lies above the picture.
        options: libVLC options of the board.
    """
    if kind == "simulated":
        return SimulatedPlayer()
    if kind == "inpage" or not display:
        return InPagePlayer()
    buffer = f"--network-caching={config.buffer_ms}"
    return VlcPlayer(display=display, plane=plane, options=(buffer, *options))
