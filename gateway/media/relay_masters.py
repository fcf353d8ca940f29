"""Playlists of playlists that were seen a while ago.

One rule: only a guess.  Whoever finds that one does not work any more asks the
origin again, so it costs nothing to be wrong but the time that was saved.
"""

from dataclasses import dataclass

from gateway.media.hls import MasterPlaylist
from gateway.media.lineup import Source

MOST = 64
MOST_ENTRIES = 64
"""Variants and renditions; a longer list is not worth its memory."""

KEPT_S = 600.0
_Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class _Seen:
    master: MasterPlaylist
    at_s: float


class Masters:
    """The newest of each source; what is asked with other headers may be answered otherwise."""

    def __init__(self) -> None:
        self._seen: dict[_Key, _Seen] = {}

    def keep(self, source: Source, master: MasterPlaylist, now_s: float) -> None:
        """Remember what `source` answered just now, if it can be played."""
        self.forget(source)
        if len(master.variants) + len(master.renditions) <= MOST_ENTRIES:
            self._seen[_key(source)] = _Seen(master, now_s)
        if len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]

    def forget(self, source: Source) -> None:
        """Do not recall `source` until it was seen again."""
        self._seen.pop(_key(source), None)

    def recall(self, source: Source, now_s: float) -> MasterPlaylist | None:
        """Return what was seen of `source`, unless that is long ago."""
        seen = self._seen.get(_key(source))
        if seen is not None and now_s - seen.at_s >= KEPT_S:
            self.forget(source)
            return None
        return seen.master if seen is not None else None


def _key(source: Source) -> _Key:
    return source.url, tuple(sorted(source.headers.items()))
