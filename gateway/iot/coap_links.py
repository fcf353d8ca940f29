"""Link format (RFC 6690): how CoAP devices say what they have.  Pure.

One rule: the text comes from strangers, so it is bounded before it is read
and either parsed whole or refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from gateway.errors import BadInputError

MAX_TEXT_CHARS = 65_536
MAX_LINKS = 256
MAX_ATTRIBUTES = 32

_TARGET = re.compile(r"\s*<([^<>\s\x00-\x20]{0,512})>")
_ATTRIBUTE = re.compile(
    r"""\s*;\s*(?P<name>[A-Za-z0-9!#$&+.^_`|~*-]{1,64})
        (?:=(?:"(?P<quoted>(?:[^"\\]|\\.){0,1024})"|(?P<token>[^",;\\<>\s]{1,1024})))?""",
    re.VERBOSE | re.DOTALL,
)
_NEXT = re.compile(r"\s*(,|$)")


class LinkFormatError(BadInputError):
    """A device's list of resources is not link format, or too long."""

    code: ClassVar[str] = "IOT-303"
    hint = "Update or replace the device; its list of resources cannot be read."


@dataclass(frozen=True, slots=True)
class Link:
    """One resource of a device.

    Attributes:
        target: URI reference as the device wrote it, such as ``/3303/0/5700``.
        attributes: Names and values in their order; a flag such as ``obs`` has an empty value.
    """

    target: str
    attributes: tuple[tuple[str, str], ...] = ()

    def first(self, name: str) -> str:
        """Return the value of attribute `name`, empty if it is not there."""
        return next((value for key, value in self.attributes if key == name), "")

    def words(self, name: str) -> tuple[str, ...]:
        """Return the space-separated values of attribute `name`, as ``rt`` and ``if`` have them."""
        return tuple(self.first(name).split())

    def has(self, name: str) -> bool:
        """Whether attribute `name` is there, with a value or as a flag."""
        return any(key == name for key, _ in self.attributes)


def parse_links(text: str) -> tuple[Link, ...]:
    """Return the links in `text`, in order.

    Raises:
        LinkFormatError: not link format, or over a limit.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise LinkFormatError(f"a list of resources has more than {MAX_TEXT_CHARS} characters")
    links: list[Link] = []
    at = 0
    while text[at:].strip() if not links else True:
        target = _TARGET.match(text, at)
        if target is None:
            raise LinkFormatError(f"a list of resources is not link format at character {at}")
        at = target.end()
        attributes: list[tuple[str, str]] = []
        while attribute := _ATTRIBUTE.match(text, at):
            at = attribute.end()
            attributes.append((attribute["name"], _unquoted(attribute["quoted"]) or attribute["token"] or ""))
            if len(attributes) > MAX_ATTRIBUTES:
                raise LinkFormatError(f"a resource has more than {MAX_ATTRIBUTES} attributes")
        links.append(Link(target[1], tuple(attributes)))
        if len(links) > MAX_LINKS:
            raise LinkFormatError(f"a list of resources has more than {MAX_LINKS} entries")
        end = _NEXT.match(text, at)
        if end is None:
            raise LinkFormatError(f"a list of resources is not link format at character {at}")
        at = end.end()
        if end[1] == "":
            break
    return tuple(links)


def format_links(links: Iterable[Link]) -> str:
    """Return `links` as link format."""
    return ",".join(_format(link) for link in links)


def _format(link: Link) -> str:
    parts = [f"<{link.target}>"]
    for name, value in link.attributes:
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        parts.append(f'{name}="{escaped}"' if value else name)
    return ";".join(parts)


def _unquoted(text: str | None) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL) if text else ""
