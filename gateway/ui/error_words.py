"""What the household is told about an error, in its own language.

One rule: the same words that the page shows; they are in its string files, and nowhere else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

LOCALES = {"zh-CN": "zh.json", "en": "en.json"}


class ErrorWords:
    """Reads the page's string files when they are first needed."""

    def __init__(self, folder: Path) -> None:
        """Describe it; `folder` holds one file for each of `LOCALES`."""
        self._folder = folder
        self._errors: dict[str, Mapping[str, Any]] = {}

    def of(self, code: str) -> dict[str, str]:
        """Return by locale what `code` means; the code itself where nobody wrote any."""
        return {locale: str(self._known(locale).get(code, {}).get("say", code)) for locale in LOCALES}

    def _known(self, locale: str) -> Mapping[str, Any]:
        if locale not in self._errors:
            text = (self._folder / LOCALES[locale]).read_bytes()
            self._errors[locale] = msgspec.json.decode(text)["codes"]
        return self._errors[locale]
