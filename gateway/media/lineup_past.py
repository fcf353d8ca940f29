"""What a line-up says of a channel's past, in all the ways operators say it.

One rule: pure; the kinds are those of Kodi's pvr.iptvsimple README.
"""

from collections.abc import Mapping

from gateway.media.lineup import Catchup

MAX_DAYS = 366
MAX_CORRECTION_S = 14 * 3600

_KINDS = {
    "default": "default",
    "append": "append",
    "shift": "shift",
    "timeshift": "shift",
    "flussonic": "flussonic",
    "flussonic-hls": "flussonic",
    "flussonic-ts": "flussonic-ts",
    "fs": "flussonic",
    "xc": "xc",
    "xtream": "xc",
    "vod": "vod",
}
_OFF = ("none", "disabled", "false", "0", "no")


def past_of(said: Mapping[str, str]) -> Catchup | None:
    """Return how the channel's past is asked for, or None.

    Args:
        said: The attributes of its line, names in lower case.
    """
    kind = (said.get("catchup") or said.get("catchup-type") or "").strip().lower()
    source = said.get("catchup-source", "").strip()
    if kind in _OFF:
        return None
    days = said.get("catchup-days") or said.get("timeshift") or said.get("tvg-rec") or ""
    back = _whole(days)
    if kind not in _KINDS and source:  # only where to ask, not how: a whole address, or the end of one
        kind = "default" if "://" in source.partition("?")[0] else "append"
    elif not kind:
        if not back or not (said.get("timeshift") or said.get("tvg-rec")):
            return None
        kind = "shift"  # the oldest way of SIPTV: nothing but how many days
    if kind in ("default", "append") and not source:
        return None  # players ask their own settings then; a box has none, and must not offer what fails
    return Catchup(
        kind=_KINDS.get(kind, kind),
        source=source,
        days=back,
        correction_s=_correction_s(said.get("catchup-correction", "")),
    )


def _whole(text: str) -> int:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DAYS))
    return int(text) if digits and int(text) <= MAX_DAYS else 0


def _correction_s(hours: str) -> int:
    try:
        correction_s = float(hours) * 3600
    except ValueError:
        return 0
    return int(correction_s) if abs(correction_s) <= MAX_CORRECTION_S else 0
