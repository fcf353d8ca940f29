"""What is followed upstream for one picture, and what the house is offered for it.

One rule: pure.  A picture comes with all its sound and subtitles, under names of the relay's own.
"""

from dataclasses import dataclass, replace

from gateway.media.hls import MasterPlaylist, MediaPlaylist, Rendition, Variant
from gateway.media.hls_write import write_master

PICTURE = "v"
MAX_RENDITIONS = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """A playlist to follow.

    Attributes:
        name: Of its shelf.
        url: Where it is.
        first: The playlist, if it has just been loaded.
        essential: Without it the channel is not worth watching from this source.
    """

    name: str
    url: str
    first: MediaPlaylist | None = None
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Offer:
    """One picture with what belongs to it.

    Attributes:
        wanted: To follow; the picture comes first.
        master: For the house, or None if the picture's own playlist says all.
    """

    wanted: tuple[Wanted, ...]
    master: MasterPlaylist | None = None

    @property
    def has_separate_sound(self) -> bool:
        """Whether the picture's segments alone would be silent."""
        return self._has("AUDIO")

    @property
    def needs_repacking(self) -> bool:
        """Whether it is known already that the media is no transport stream with its sound in it."""
        first = self.wanted[0].first if self.wanted else None
        return bool(self.sounds) or (first is not None and any(each.init for each in first.segments))

    @property
    def sounds(self) -> tuple[tuple[str, str], ...]:
        """Shelf and language tag of each sound beside the picture, the main one first."""
        beside = [r for r in self.master.renditions if r.kind == "AUDIO" and r.uri] if self.master else []
        beside.sort(key=lambda rendition: not rendition.default)
        return tuple(((r.uri or "").removesuffix(".m3u8"), r.language) for r in beside)

    @property
    def has_subtitles(self) -> bool:
        """Whether subtitles come beside the picture."""
        return self._has("SUBTITLES")

    def playlist(self, query: str) -> bytes:
        """Return the playlist of playlists; `query` goes along with every address in it."""
        master = self.master or MasterPlaylist(variants=(Variant(uri=f"{PICTURE}.m3u8"),))
        variants = tuple(replace(variant, uri=variant.uri + query) for variant in master.variants)
        renditions = tuple(
            replace(r, uri=r.uri + query if r.uri is not None else None) for r in master.renditions
        )
        return write_master(MasterPlaylist(variants=variants, renditions=renditions)).encode()

    def _has(self, kind: str) -> bool:
        return self.master is not None and any(
            r.kind == kind and r.uri is not None for r in self.master.renditions
        )


def plain(url: str, playlist: MediaPlaylist) -> Offer:
    """Return what a source offers that is a single media playlist."""
    return Offer((Wanted(PICTURE, url, playlist),))


def for_variant(variant: Variant, master: MasterPlaylist) -> Offer:
    """Return what belongs to `variant` of `master`."""
    groups = (("AUDIO", variant.audio), ("SUBTITLES", variant.subtitles))
    beside = [r for r in master.renditions if (r.kind, r.group) in groups][:MAX_RENDITIONS]
    wanted = [Wanted(PICTURE, variant.uri)]
    offered: list[Rendition] = []
    sounds = [rendition for rendition in beside if rendition.kind == "AUDIO"]
    main = next((rendition for rendition in sounds if rendition.default), sounds[0] if sounds else None)
    for at, rendition in enumerate(beside):
        if rendition.uri is None:
            offered.append(rendition)
            continue
        name = f"{'a' if rendition.kind == 'AUDIO' else 's'}{at}"
        wanted.append(Wanted(name, rendition.uri, essential=rendition is main))
        offered.append(replace(rendition, uri=f"{name}.m3u8"))
    local = replace(
        variant,
        uri=f"{PICTURE}.m3u8",
        audio=variant.audio if sounds else "",
        subtitles=variant.subtitles if len(sounds) < len(beside) else "",
    )
    local_master = MasterPlaylist(variants=(local,), renditions=tuple(offered))
    return Offer(tuple(wanted), local_master if len(wanted) > 1 else None)
