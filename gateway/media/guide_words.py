"""What a title and a rating mean: the series behind an episode, the age behind a mark.

One rule: pure, and never sure of more than is written: what is not understood
is the title as it stands, and no age at all.
"""

import re
import unicodedata
from functools import lru_cache

MAX_AGE = 21

_NUMBER = r"[0-9〇零一二三四五六七八九十百千两]{1,7}"  # noqa: RUF001 - the Chinese zero
# 季 and 部 stay: another season is another series to record.
_EPISODE = re.compile(
    rf"第\s*{_NUMBER}\s*(?:/\s*{_NUMBER})?\s*[集期回话話讲講场場]"
    rf"|[\s(\[]{_NUMBER}\s*[集期]"
    r"|[(\[]\s*(?:第\s*)?(?:[0-9]{1,5}(?:\s*[-/~]\s*[0-9]{1,5})?|[上中下]|重播|首播|回放|直播)\s*[)\]]"
    r"|(?<=[^0-9a-z.])[0-9]{1,4}集"
    r"|\bs[0-9]{1,3}\s*\.?\s*e[0-9]{1,5}\b|\b(?:ep|episode|e)\s*\.?\s*[0-9]{1,5}\b|#\s*[0-9]{1,5}\b"
    r"|[\s:]+[0-9]{1,4}\s*/\s*[0-9]{1,4}\s*$"
    r"|\s[0-9]{1,3}\s*$"
)
_KIND = re.compile(
    r"^(?:电视剧|连续剧|电视连续剧|动画片|动画|动漫|电影|故事片|纪录片|综艺|剧场)\s*(?::|(?=《))\s*"
)
# No mark is without one of these, and most titles are.
_HINT = re.compile(r"[0-9第(\[集期]")
_EDGES = " \t-–—·:,.;_/|"  # noqa: RUF001 - dashes of all lengths are meant

_AGE_IN_DIGITS = re.compile(r"(?<![0-9])([0-9]{1,2})(?![0-9])")
# What rating boards print without a number, at the age they explain it by.
_AGES = {
    "pg": 8,
    "tv-pg": 8,
    "m": 15,
    "ma": 15,
    "r": 17,
    "tv-ma": 17,
    "nc-17": 18,  # nobody of 17 or under
    "ao": 18,
    "x": 18,
    "xxx": 18,
    "adult": 18,
    "儿童不宜": 18,
    "成人": 18,
}


def folded(text: str) -> str:
    """Return `text` without what makes no difference: width, case, white space round it."""
    return unicodedata.normalize("NFKC", text).casefold().strip()


def series_of(title: str) -> str:
    """Return what every episode of a series has in common: the title, folded, without its marks."""
    if title.endswith(("集", "期")):  # most marks are these, and what is in front of them repeats
        at = title.rfind("第")
        if at > 0 and title[at + 1 : -1].isdigit():
            return _series_of(title[:at].rstrip()) or _series_of(title)
    return _series_of(title)


@lru_cache(maxsize=32_768)
def _series_of(title: str) -> str:
    whole = bare = folded(title)
    if ":" in bare or "《" in bare:
        bare = _KIND.sub("", bare).replace("《", " ").replace("》", " ").strip()
    while _HINT.search(bare) and (mark := _EPISODE.search(bare)):
        # What follows the mark names the episode; a mark in front is followed by the series.
        bare = (bare[: mark.start()].strip(_EDGES)) or bare[mark.end() :].strip(_EDGES)
    bare = " ".join(bare.split()).strip(_EDGES)
    return bare or whole


def age_of(rating: str) -> int:
    """Return the youngest age `rating` (such as ``PG-13``, ``18+``, ``FSK 12``) is meant for.

    0 for everybody, and for what is not known.
    """
    text = unicodedata.normalize("NFKC", rating[:64]).casefold().strip()
    if text in _AGES:
        return _AGES[text]
    said = _AGE_IN_DIGITS.search(text)
    return int(said[1]) if said is not None and int(said[1]) <= MAX_AGE else 0
