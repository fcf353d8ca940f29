"""Which quality of a channel is pulled: by panel, decoder and line, and when to change.

One rule: down at once, up only after the line has shown for a while that it
has room, and later each time that this turned out to be a mistake.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway.media.hls import PlaylistError, Variant
from gateway.schema import FieldError

THROUGHPUT_SHARE = 0.8
"""How much of the measured throughput a variant may ask for."""

FULL_LOAD = 1.0
HIGH_LOAD = 0.8
UP_LOAD = 0.6
"""The next rung up is tried if fetching it would take less than this share of its time."""

GOOD_IN_ROW = 4
MAX_HOLD_S = 600.0
_FAMILIES = {
    "h264": ("avc1", "avc3"),
    "hevc": ("hvc1", "hev1", "dvh1", "dvhe"),
    "avs2": ("avs2",),
    "avs3": ("avs3",),
    "vp9": ("vp09", "vp9"),
    "av1": ("av01",),
}
_TEN_BIT_AVC = ("6e", "7a", "f4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoder:
    """The largest picture one decoder manages.

    Attributes:
        codec: ``h264``, ``hevc``, ``avs2``, ``avs3``, ``vp9`` or ``av1``.
        max_height: Lines.
        max_fps: Pictures a second at that height.
        bit_depth: 8, 10 or 12.
    """

    codec: str
    max_height: int
    max_fps: int
    bit_depth: int = 8

    def __post_init__(self) -> None:
        if self.codec not in _FAMILIES:
            raise FieldError("codec", f"must be one of {', '.join(_FAMILIES)}")
        for name in ("max_height", "max_fps", "bit_depth"):
            if getattr(self, name) < 1:
                raise FieldError(name, "must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """What this box can show.

    Attributes:
        max_height: Of the panel; taller pictures are used only if there is nothing else.
        decoders: Empty for any.
        codecs: Codec families for picture and sound, such as ``avc1``; empty for any.
    """

    max_height: int | None = None
    decoders: tuple[Decoder, ...] = ()
    codecs: Collection[str] = ()


def choose(variants: Sequence[Variant], ability: Ability, throughput_bps: float | None = None) -> Variant:
    """Return the best variant for this screen, decoder and line.

    Args:
        variants: At least one.
        ability: Of the box.
        throughput_bps: What the line was seen to carry; None if not known yet.

    Raises:
        PlaylistError: none of them can be decoded.
    """
    rungs = ladder(variants, ability)
    fitting = [
        v for v in rungs if throughput_bps is None or v.bandwidth_bps <= throughput_bps * THROUGHPUT_SHARE
    ]
    if not fitting:
        return min(rungs, key=lambda v: v.bandwidth_bps)
    return max(fitting, key=_rank)


def ladder(variants: Sequence[Variant], ability: Ability) -> list[Variant]:
    """Return the variants this box may show, from the thinnest to the best; raises what `choose` raises."""
    able = [variant for variant in variants if can_decode(variant, ability)]
    if not able:
        raise PlaylistError("This box can decode none of the channel's variants")
    able = [v for v in able if v.has_video] or able
    limit = ability.max_height
    low = [v for v in able if limit is None or v.height <= limit]
    if not low:
        smallest = min(v.height for v in able)
        low = [v for v in able if v.height == smallest]
    return sorted(low, key=_rank)


def can_decode(variant: Variant, ability: Ability) -> bool:
    """Tell whether this box has a decoder for what `variant` says it is."""
    names = [codec.lower() for codec in variant.codecs]
    if ability.codecs and not all(name.partition(".")[0] in ability.codecs for name in names):
        return False
    if not ability.decoders:
        return True
    pictures = [(name, kind) for name in names if (kind := _kind(name))]
    # An origin that does not say is believed to send what everybody can show at that size.
    needed = [(kind, bit_depth(name)) for name, kind in pictures] or [("", 8)]
    return all(
        any(_manages(decoder, variant, kind, depth) for decoder in ability.decoders) for kind, depth in needed
    )


def bit_depth(codec: str) -> int:
    """Return the bits per sample that a codec string (RFC 6381) names; 8 if it does not."""
    parts = codec.lower().split(".")
    kind = _kind(parts[0])
    if kind == "h264" and len(parts) > 1:
        return 10 if parts[1][:2] in _TEN_BIT_AVC else 8
    if kind == "hevc" and len(parts) > 1:
        return 8 if parts[1].lstrip("abc") in ("1", "3") else 10
    place = 3 if kind in ("vp9", "av1") else len(parts)
    return int(parts[place]) if place < len(parts) and parts[place].isdecimal() else 8


class Ladder:
    """Decides after every segment whether to take another rung.  Knows no clock but what it is told."""

    def __init__(self, rungs: Sequence[Variant], at: Variant, *, now_s: float, hold_s: float) -> None:
        """Begin on the rung `at`.

        Args:
            rungs: From `ladder`.
            at: One of them.
            now_s: Monotonic time.
            hold_s: How long to stay at least before a step up.
        """
        self.rungs = tuple(rungs)
        self.at = at
        self._switched_s = now_s
        self._base_hold_s = self._hold_s = hold_s
        self._went_up = False
        self._good = self._heavy = 0

    def after(self, load: float, now_s: float) -> Variant | None:
        """Return the rung to change to after a segment, or None.

        Args:
            load: Time it took to fetch over its duration.
            now_s: Monotonic time.
        """
        self._heavy = self._heavy + 1 if load > HIGH_LOAD else 0
        if load > FULL_LOAD or self._heavy > 1:
            lower = [v for v in self.rungs if v.bandwidth_bps < self.at.bandwidth_bps]
            return self._down(lower, load, now_s) if lower else None
        higher = [v for v in self.rungs if v.bandwidth_bps > self.at.bandwidth_bps]
        if not higher:
            return None
        upper = min(higher, key=lambda v: v.bandwidth_bps)
        expected = load * upper.bandwidth_bps / max(self.at.bandwidth_bps, 1)
        self._good = self._good + 1 if expected < UP_LOAD else 0
        if self._good < GOOD_IN_ROW or now_s - self._switched_s < self._hold_s:
            return None
        return self._switch(upper, now_s, up=True)

    def _down(self, lower: Sequence[Variant], load: float, now_s: float) -> Variant:
        carried_bps = self.at.bandwidth_bps / load * THROUGHPUT_SHARE
        fitting = [v for v in lower if v.bandwidth_bps <= carried_bps]
        if self._went_up and now_s - self._switched_s < 2 * self._hold_s:
            self._hold_s = min(self._hold_s * 2, MAX_HOLD_S)
        elif now_s - self._switched_s > MAX_HOLD_S:
            self._hold_s = self._base_hold_s
        chosen = max(fitting, key=_rank) if fitting else min(lower, key=lambda v: v.bandwidth_bps)
        return self._switch(chosen, now_s, up=False)

    def _switch(self, to: Variant, now_s: float, *, up: bool) -> Variant:
        self.at, self._switched_s, self._went_up = to, now_s, up
        self._good = self._heavy = 0
        return to


def _rank(variant: Variant) -> tuple[int, int]:
    return variant.height, variant.bandwidth_bps


def _kind(codec: str) -> str:
    family = codec.partition(".")[0]
    return next((kind for kind, names in _FAMILIES.items() if family in names), "")


def _manages(decoder: Decoder, variant: Variant, kind: str, depth: int) -> bool:
    if (kind and decoder.codec != kind) or decoder.bit_depth < depth or variant.height > decoder.max_height:
        return False
    # What a decoder manages is lines a second squared: a smaller picture may come faster.
    return variant.frame_rate * variant.height**2 <= (decoder.max_fps + 0.5) * decoder.max_height**2
