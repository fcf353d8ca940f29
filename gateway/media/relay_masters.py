"""Playlists of playlists that were seen a while ago.

One rule: only a guess.  Whoever finds that one does not work any more asks the
origin again, so it costs nothing to be wrong but the time that was saved.
"""

from dataclasses import dataclass

from gateway.media.hls import MasterPlaylist

MOST = 64
KEPT_S = 600.0


@dataclass(frozen=True, slots=True)
class _Seen:
    master: MasterPlaylist
    at_s: float


class Masters:
    """The newest of each address."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def keep(self, url: str, master: MasterPlaylist, now_s: float) -> None:
        """Remember what the origin answered at `url` just now."""
        self._seen.pop(url, None)
        self._seen[url] = _Seen(master, now_s)
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]

    def forget(self, url: str) -> None:
        """Do not recall `url` until it was seen again."""
        self._seen.pop(url, None)

    def recall(self, url: str, now_s: float) -> MasterPlaylist | None:
        """Return what was seen at `url`, unless that is long ago."""
        seen = self._seen.get(url)
        return seen.master if seen is not None and now_s - seen.at_s < KEPT_S else None
