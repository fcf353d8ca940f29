"""Languages as a transport stream names them: three letters of ISO 639-2/T.

One rule: what is not known is ``und``; a wrong name is worse than none.
"""

_BY_TWO_LETTERS = {
    "ar": "ara",
    "bo": "bod",
    "de": "deu",
    "en": "eng",
    "es": "spa",
    "fr": "fra",
    "hi": "hin",
    "id": "ind",
    "ii": "iii",
    "it": "ita",
    "ja": "jpn",
    "kk": "kaz",
    "km": "khm",
    "ko": "kor",
    "ky": "kir",
    "lo": "lao",
    "mn": "mon",
    "ms": "msa",
    "my": "mya",
    "pt": "por",
    "ru": "rus",
    "th": "tha",
    "tr": "tur",
    "ug": "uig",
    "vi": "vie",
    "za": "zha",
    "zh": "zho",
}
_THREE = 3


def iso_639_2(tag: str) -> str:
    """Return the code for a language tag of RFC 5646, such as ``zh-Hans`` or ``yue``."""
    language = tag.strip().lower().replace("_", "-").partition("-")[0]
    if language in _BY_TWO_LETTERS:
        return _BY_TWO_LETTERS[language]
    return language if len(language) == _THREE and language.isascii() and language.isalpha() else "und"
