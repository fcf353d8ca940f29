"""HTTP Live Streaming playlists as text, for the players in the house.

One rule: what is written here, `gateway.media.hls.parse` reads back the same.
"""

from datetime import UTC

from gateway.media.hls import ByteRange, InitSection, MasterPlaylist, MediaPlaylist

MAP_VERSION = 6
"""RFC 8216 section 7: EXT-X-MAP needs at least this."""


def write_media(playlist: MediaPlaylist, *, from_first: bool = False) -> str:
    """Return `playlist` as text; keys are left out, since the relay has already opened them.

    Args:
        playlist: What to write.
        from_first: Players begin with its first segment, and not near its end.
    """
    target = max([playlist.target_s, *(segment.duration_s for segment in playlist.segments)])
    version = MAP_VERSION if any(segment.init for segment in playlist.segments) else 3
    lines = ["#EXTM3U", f"#EXT-X-VERSION:{version}", f"#EXT-X-TARGETDURATION:{max(1, int(target + 0.5))}"]
    lines.append(f"#EXT-X-MEDIA-SEQUENCE:{playlist.sequence}")
    if playlist.discontinuity_sequence:
        lines.append(f"#EXT-X-DISCONTINUITY-SEQUENCE:{playlist.discontinuity_sequence}")
    if from_first:
        lines.append("#EXT-X-START:TIME-OFFSET=0,PRECISE=YES")
    init: InitSection | None = None
    for segment in playlist.segments:
        if segment.discontinuity:
            lines.append("#EXT-X-DISCONTINUITY")
        if segment.init is not None and segment.init != init:
            init = segment.init
            lines.append(f'#EXT-X-MAP:URI="{init.uri}"' + _written_range(init.byte_range))
        if segment.program_date is not None:
            moment = segment.program_date.astimezone(UTC).isoformat(timespec="milliseconds")
            lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{moment.replace('+00:00', 'Z')}")
        if segment.gap:
            lines.append("#EXT-X-GAP")
        lines.append(f"#EXTINF:{segment.duration_s:.6f},")
        if segment.byte_range is not None:
            lines.append(f"#EXT-X-BYTERANGE:{segment.byte_range.length}@{segment.byte_range.offset}")
        lines.append(segment.uri)
    if playlist.ended:
        lines.append("#EXT-X-ENDLIST")
    return "\n".join(lines) + "\n"


def write_master(playlist: MasterPlaylist) -> str:
    """Return `playlist` as text."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-INDEPENDENT-SEGMENTS"]
    for rendition in playlist.renditions:
        said = {
            "TYPE": rendition.kind,
            "GROUP-ID": _quoted(rendition.group),
            "NAME": _quoted(rendition.name),
            "LANGUAGE": _quoted(rendition.language) if rendition.language else "",
            "DEFAULT": "YES" if rendition.default else "NO",
            "AUTOSELECT": "YES" if rendition.autoselect or rendition.default else "NO",
            "FORCED": "YES" if rendition.forced else "",
            "CHANNELS": _quoted(rendition.channels) if rendition.channels else "",
            "URI": _quoted(rendition.uri) if rendition.uri is not None else "",
        }
        lines.append("#EXT-X-MEDIA:" + _joined(said))
    for variant in playlist.variants:
        said = {
            "BANDWIDTH": str(variant.bandwidth_bps or 1),
            "RESOLUTION": f"{variant.width}x{variant.height}" if variant.height else "",
            "FRAME-RATE": f"{variant.frame_rate:.3f}" if variant.frame_rate else "",
            "CODECS": _quoted(",".join(variant.codecs)) if variant.codecs else "",
            "AUDIO": _quoted(variant.audio) if variant.audio else "",
            "SUBTITLES": _quoted(variant.subtitles) if variant.subtitles else "",
        }
        lines.append("#EXT-X-STREAM-INF:" + _joined(said))
        lines.append(variant.uri)
    return "\n".join(lines) + "\n"


def _written_range(part: ByteRange | None) -> str:
    return f',BYTERANGE="{part.length}@{part.offset}"' if part else ""


def _joined(said: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in said.items() if value)


def _quoted(text: str) -> str:
    return '"' + text.replace('"', "'").replace("\n", " ") + '"'
