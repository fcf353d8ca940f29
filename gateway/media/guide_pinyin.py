"""Chinese titles as they are typed on a remote or a foreign keyboard: ``xwlb``, ``xinwen``.

One rule: only the guide's loader imports this; the tables are 13 MB that the
daemon never carries.
"""

import os
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import islice, product

# The dictionary of phrases is another 45 MB.  Without it a character is found under each of its
# common readings, which is what a household types: nobody has to know which is meant.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "1")

from pypinyin import Style, pinyin

MAX_CHARS = 24
MAX_READINGS = 2
MAX_INITIALS = 16
MAX_SPELLINGS = 8


def initials(title: str) -> str:
    """Return the first letters of the syllables, every reading a word: ``zqcj cqcj``."""
    letters = [tuple(dict.fromkeys(one[0] for one in readings)) for readings in _readings(title)]
    return _words(letters, MAX_INITIALS)


def spellings(title: str) -> str:
    """Return the syllables in full, every reading a word with a space in front."""
    return _words(_readings(title), MAX_SPELLINGS)


def _words(choices: Iterable[tuple[str, ...]], most: int) -> str:
    words = ("".join(each) for each in islice(product(*choices), most))
    return "".join(f" {word}" for word in words if word)


def _readings(title: str) -> list[tuple[str, ...]]:
    found = (_reading(character) for character in title[:MAX_CHARS])
    return [each for each in found if each]


@lru_cache(maxsize=16_384)
def _reading(character: str) -> tuple[str, ...]:
    """Return how `character` is said; a Latin letter or a digit is itself, anything else is silent."""
    if character.isascii():
        return (character.lower(),) if character.isalnum() else ()
    if unicodedata.category(character) != "Lo":
        return ()
    said = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    return tuple(said[0][:MAX_READINGS]) if said and said[0] and said[0][0] else ()
