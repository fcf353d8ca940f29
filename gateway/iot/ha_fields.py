"""Reading the keys of a discovery announcement, with their short names and base topic.

One rule: every value is checked where it is read, and a wrong one is named.
"""

import re
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.iot.ha_template import Template, TemplateError, as_text, parse_template
from gateway.topics import is_topic

E = TypeVar("E", bound=StrEnum)

MAX_TEXT_CHARS = 512
MAX_SECONDS = 10 * 365 * 86_400

MAX_WORDS = 100
MAX_WORD_CHARS = 255
LARGEST = 1e12

_BASE = "~"
_HOLE = re.compile(r"\{\{-? *(?:value|position|tilt_position|action) *-?\}\}")
"""What stands for the value in a template of a command; Home Assistant has four names for it."""


class AnnouncementFieldError(ValueError):
    """One key holds something else than it should."""


class Fields:
    """The keys of one object in an announcement.

    An absent key, and one that is null, read as empty.
    """

    def __init__(
        self, data: object, names: Mapping[str, str], *, at: str = "", outside: "Fields | None" = None
    ) -> None:
        """Read `data`.

        Args:
            data: What the JSON says; must be an object.
            names: Short names of its keys.
            at: Where it stands, for messages.
            outside: What holds for it unless it says otherwise, its base topic included.

        Raises:
            AnnouncementFieldError: it is not an object.
        """
        self._at = f"{at}." if at else ""
        if not isinstance(data, Mapping):
            raise AnnouncementFieldError(f"{at or 'the announcement'} is not an object")
        own = {names.get(str(key), str(key)): value for key, value in data.items() if value is not None}
        inherited = {} if outside is None else outside._values  # noqa: SLF001 - another of our own
        self._own_count = len(own)
        self._values: dict[str, object] = {**inherited, **own}
        base = self._values.get(_BASE, "")
        if not isinstance(base, str):
            raise AnnouncementFieldError(f"{self._at}~ is not text")
        self._base: str = base

    def __len__(self) -> int:
        return self._own_count

    def only(self, keys: Collection[str]) -> "Fields":
        """Return the same with `keys` and the base topic only."""
        kept: dict[str, object] = {key: value for key, value in self._values.items() if key in keys}
        return Fields({**kept, _BASE: self._base}, {})

    def inner(self, key: str, names: Mapping[str, str]) -> "Fields":
        """Return the object at `key`; an empty one if there is none."""
        return Fields(self._values.get(key, {}), names, at=self._at + key)

    def inner_list(self, key: str, names: Mapping[str, str]) -> list["Fields"]:
        """Return the objects at `key`, which may be one alone."""
        value = self._values.get(key, [])
        items = value if isinstance(value, list) else [value]
        around = Fields({_BASE: self._base}, {})
        return [Fields(item, names, at=self._at + key, outside=around) for item in items]

    def mapping(self, key: str) -> Mapping[str, object]:
        """Return the object at `key` as it is."""
        value = self._values.get(key, {})
        if not isinstance(value, Mapping):
            raise self._wrong(key, "is not an object")
        return value

    def text(self, key: str, *, limit: int = MAX_TEXT_CHARS) -> str:
        """Return the text at `key`, cut at `limit` and on one line; numbers count as text."""
        value = self._values.get(key, "")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise self._wrong(key, "is not text")
        return " ".join("".join(c if c.isprintable() else " " for c in str(value)[:limit]).split())

    def first_text(self, key: str) -> str:
        """Return the first text in the list or nested list at `key`, or the text itself."""
        value = self._values.get(key, "")
        if isinstance(value, list):
            value = value[0] if value else ""
        if isinstance(value, list):
            value = ":".join(map(str, value))
        return Fields({key: value}, {}, at=self._at[:-1]).text(key)

    def word(self, key: str, default: str) -> str:
        """Return what a payload is compared with or made of; any single value as templates print it."""
        value = self._values.get(key, default)
        if not isinstance(value, str | int | float) or len(as_text(value)) > MAX_TEXT_CHARS:
            raise self._wrong(key, "is not a single value of reasonable length")
        return as_text(value)

    def topic(self, key: str) -> str:
        """Return the topic at `key` with its base put in; empty if there is none."""
        value = self._values.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(key, "is not text")
        if value.startswith(_BASE):
            value = self._base + value[1:]
        if value.endswith(_BASE):
            value = value[:-1] + self._base
        if value and (not is_topic(value) or len(value) > MAX_TEXT_CHARS):
            raise self._wrong(key, "is not a topic without wildcards")
        return value

    def template(self, key: str) -> Template:
        """Return the template at `key`; the whole payload if there is none."""
        value = self._values.get(key, "")
        if not isinstance(value, str):
            raise self._wrong(key, "is not text")
        if not value.strip():
            return Template()
        try:
            return parse_template(value)
        except TemplateError as error:
            raise self._wrong(key, f"is a template we do not support: {error}") from error

    def frame(self, key: str) -> tuple[str, ...] | None:
        """Return the text around each ``{{ value }}`` at `key`; `None` if there is none."""
        value = self._values.get(key, "")
        if not value:
            return None
        if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
            raise self._wrong(key, "is not text of reasonable length")
        parts = tuple(_HOLE.split(value))
        if any(mark in part for part in parts for mark in ("{{", "{%", "{#")):
            raise self._wrong(key, "is a template we do not support: only {{ value }} within text is")
        return parts

    def number(self, key: str) -> float:
        """Return the number of seconds at `key`; 0 if there is none."""
        value = self._values.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
            raise self._wrong(key, "is not a number of seconds")
        return float(value)

    def real(self, key: str, default: float) -> float:
        """Return the number at `key`."""
        value = self._values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
            raise self._wrong(key, "is not a number")
        return value

    def words(self, key: str, default: Collection[str] = ()) -> tuple[str, ...]:
        """Return the words in the list at `key`, each once."""
        value = self._values.get(key, list(default))
        if not isinstance(value, list) or len(value) > MAX_WORDS:
            raise self._wrong(key, f"is not a list of at most {MAX_WORDS} words")
        found = tuple(as_text(each) for each in value if isinstance(each, str | int | float))
        if len(found) < len(value) or any(not 0 < len(each) <= MAX_WORD_CHARS for each in found):
            raise self._wrong(key, f"is not a list of words of at most {MAX_WORD_CHARS} characters")
        return tuple(dict.fromkeys(found))

    def has(self, *keys: str) -> bool:
        """Return whether anything is said at one of `keys`."""
        return any(key in self._values for key in keys)

    def flag(self, key: str) -> bool:
        """Return the yes or no at `key`; no if there is none."""
        value = self._values.get(key, False)
        if value in (True, "true", "True"):
            return True
        if value in (False, "false", "False"):
            return False
        raise self._wrong(key, "is neither true nor false")

    def choice(self, key: str, kind: type[E], default: E) -> E:
        """Return which of `kind` is at `key`."""
        value = self._values.get(key, default.value)
        for each in kind:
            if value == each.value:
                return each
        raise self._wrong(key, f"is none of {', '.join(kind)}")

    def _wrong(self, key: str, what: str) -> AnnouncementFieldError:
        return AnnouncementFieldError(f"{self._at}{key} {what}")
