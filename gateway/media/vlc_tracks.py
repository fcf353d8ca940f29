"""Which sound and subtitle tracks libVLC found in a stream.

One rule: nothing of libVLC's memory leaves this module; it is copied, then
given back.

python-vlc's own ``Media.tracks_get`` neither releases the list nor reads it
right: it declares the union of ``libvlc_media_track_t`` as three pointers, so
the language lies elsewhere than it says.  And that list is not the player's: it
keeps tracks that have gone, and numbers those of a transport stream otherwise.
"""

import ctypes
from dataclasses import replace
from typing import Any

from gateway.media.player import SUBTITLES_OFF, Track

_BCP_47 = {
    "chi": "zh", "zho": "zh", "eng": "en", "jpn": "ja", "kor": "ko", "rus": "ru", "fra": "fr", "fre": "fr",
    "deu": "de", "ger": "de", "spa": "es", "tib": "bo", "bod": "bo", "uig": "ug", "mon": "mn", "kaz": "kk",
}  # fmt: skip
"""Streams carry ISO 639-2; what is not here stays as it is, which BCP 47 mostly allows."""

_KINDS = {0: "audio", 2: "subtitle"}
"""``libvlc_track_type_t``."""


class _MediaTrack(ctypes.Structure):
    """``libvlc_media_track_t`` (libvlc_media.h)."""

    _fields_ = (
        ("codec", ctypes.c_uint32),
        ("original_fourcc", ctypes.c_uint32),
        ("id", ctypes.c_int),
        ("type", ctypes.c_int),
        ("profile", ctypes.c_int),
        ("level", ctypes.c_int),
        ("details", ctypes.c_void_p),
        ("bitrate", ctypes.c_uint),
        ("language", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
    )


def list_tracks(vlc: Any, player: Any, media: Any) -> tuple[tuple[Track, ...], tuple[str, ...]]:  # noqa: ANN401 - python-vlc has no types
    """Return the tracks of `media` and the ids of those that `player` uses."""
    found = _copy(vlc, media)
    sounds = numbered("audio", found["audio"], player.audio_get_track_description())
    subtitles = numbered("subtitle", found["subtitle"], player.video_get_spu_description())
    selected = [player.audio_get_track()]
    if subtitles:
        subtitles.append(SUBTITLES_OFF)
        selected.append(player.video_get_spu())
    tracks = (*sounds, *subtitles)
    names = [SUBTITLES_OFF.id if number < 0 else str(number) for number in selected]
    known = {track.id for track in tracks}
    return tracks, tuple(name for name in names if name in known)


def numbered(kind: str, found: list[Track], described: list[tuple[int, bytes]]) -> list[Track]:
    """Return the tracks of one kind in the player's own list, which begins with "off".

    Those that are in both lists under one number are the same; if none is, and
    there are as many, those in the same place are.  Of a track that cannot be
    told only the player's words are known, which is better than another
    track's language.
    """
    own = {str(number): text for number, text in described if number >= 0}
    known = {track.id: track for track in found}
    if not own.keys() & known.keys() and len(own) == len(found):
        known = {number: replace(track, id=number) for track, number in zip(found, own, strict=True)}
    return [
        known.get(number) or Track(number, kind, "", text.decode(errors="replace"))
        for number, text in own.items()
    ]


def _copy(vlc: Any, media: Any) -> dict[str, list[Track]]:  # noqa: ANN401 - python-vlc has no types
    tracks: dict[str, list[Track]] = {kind: [] for kind in _KINDS.values()}
    given = ctypes.POINTER(vlc.MediaTrack)()
    count = vlc.libvlc_media_tracks_get(media, ctypes.byref(given))
    if not count:
        return tracks
    try:
        entries = ctypes.cast(given, ctypes.POINTER(ctypes.POINTER(_MediaTrack)))
        for at in range(count):
            if entries[at].contents.type in _KINDS:
                track = _track(entries[at].contents)
                tracks[track.kind].append(track)
    finally:
        back = ctypes.cast(given, ctypes.POINTER(ctypes.POINTER(vlc.MediaTrack)))
        vlc.libvlc_media_tracks_release(back, count)
    return tracks


def _track(entry: _MediaTrack) -> Track:
    language = (entry.language or b"").decode(errors="replace")
    name = (entry.description or b"").decode(errors="replace")
    return Track(str(entry.id), _KINDS[entry.type], bcp_47(language), name)


def bcp_47(language: str) -> str:
    """Return the tag of what a stream calls its language."""
    return _BCP_47.get(language, language)
