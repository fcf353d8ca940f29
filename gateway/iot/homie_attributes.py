"""What a Homie 3 or 4 device says of itself, one attribute at a time.

One rule: pure.  The attributes are put together into the description that a Homie 5
device would give; what it means is decided where that is read.

Attributes are retained topics whose last level begins with ``$`` (homieiot.github.io,
specifications 3.0.1 and 4.0.0).  The arrays of 3.0.1 become one node for each element.
"""

import re

from gateway.iot.homie_description import (
    MAX_DESCRIPTION_BYTES,
    MAX_PROPERTIES,
    HomieProperty,
    is_device_id,
    parse_document,
)
from gateway.iot.link import AnnouncementError

VERSIONS = frozenset({"3", "4"})

MAX_ATTRIBUTE_BYTES = 16 * 1024
MAX_NODES = 100
_OF_DEVICE = ("$homie", "$state", "$name", "$nodes")
_OF_PROPERTY = ("name", "datatype", "unit", "format", "settable", "retained")
_ARRAY = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")


class Attributes:
    """The attributes of one device, as far as they were heard."""

    def __init__(self, device_id: str) -> None:
        self._device_id = device_id
        self._said: dict[str, str] = {}
        self._size = 0
        self._faults: dict[str, str] = {}

    def put(self, path: str, payload: bytes) -> bool:
        """Note what is said on `path`, below the device; return whether it is new.

        Raises:
            AnnouncementError: it is not text of reasonable length.
        """
        mended = self._faults.pop(path, "")
        try:
            text = self._text(path, payload)
        except AnnouncementError as error:
            self._faults[path] = str(error)
            raise
        before = self._said.get(path, "")
        self._size += len(text) - len(before)
        self._said[path] = text
        return text != before or bool(mended)

    @staticmethod
    def names_more(path: str) -> bool:
        """Return whether what is said on `path` can change what `paths` returns."""
        return path.rpartition("$")[2] in ("nodes", "properties", "array")

    def paths(self) -> frozenset[str]:
        """Return where the device says what is still to be known, and what is known already.

        What it said elsewhere is forgotten.

        Raises:
            AnnouncementError: a name is none, or there are too many of them.
        """
        found = set(_OF_DEVICE)
        for node, array in self._nodes():
            found |= {f"{node}/$name", f"{node}/$properties"}
            if array:
                found |= {f"{node}/$array", *(f"{each}/$name" for each in self._elements(node))}
            for each in self._properties(node):
                found |= {f"{node}/{each}/${attribute}" for attribute in _OF_PROPERTY}
        self._said = {path: text for path, text in self._said.items() if text and path in found}
        self._size = sum(map(len, self._said.values()))
        self._faults = {path: fault for path, fault in self._faults.items() if path in found}
        return frozenset(found)

    def properties(self) -> tuple[HomieProperty, ...]:
        """Return what the device consists of.

        Raises:
            AnnouncementError: with the reason.
        """
        for fault in self._faults.values():
            raise AnnouncementError(fault)
        nodes: dict[str, object] = {}
        for node, array in self._nodes():
            properties = {each: self._property(f"{node}/{each}") for each in self._properties(node)}
            name = self._said.get(f"{node}/$name", "")
            if not array:
                nodes[node] = {"name": name, "properties": properties}
            for element in self._elements(node) if array else ():
                own = self._said.get(f"{element}/$name") or f"{name or node} {element.rpartition('_')[2]}"
                nodes[element] = {"name": own, "properties": properties}
        document = {
            "homie": self._said.get("$homie", ""),
            "version": 0,
            "name": self._said.get("$name", ""),
            "nodes": nodes,
        }
        return parse_document(self._device_id, document)

    def _text(self, path: str, payload: bytes) -> str:
        if len(payload) > MAX_ATTRIBUTE_BYTES:
            raise AnnouncementError(f"{path[:140]!a} is larger than {MAX_ATTRIBUTE_BYTES} bytes")
        if self._size + len(payload) > MAX_DESCRIPTION_BYTES:
            raise AnnouncementError(f"says more than {MAX_DESCRIPTION_BYTES} bytes of itself")
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise AnnouncementError(f"{path[:140]!a} is not UTF-8") from None

    def _property(self, path: str) -> dict[str, object]:
        said = {each: self._said.get(f"{path}/${each}", "") for each in _OF_PROPERTY}
        return {
            **said,
            "datatype": said["datatype"] or "string",
            "settable": said["settable"] == "true",
            "retained": said["retained"] != "false",
        }

    def _nodes(self) -> list[tuple[str, bool]]:
        """Return the names of the nodes, and which of them are arrays."""
        found = []
        for each in _words(self._said.get("$nodes", ""), MAX_NODES):
            node = each.removesuffix("[]")
            found.append((_checked(node), node != each))
        if sum(len(self._properties(node)) for node, _ in found) > MAX_PROPERTIES:
            raise AnnouncementError(f"has more than {MAX_PROPERTIES} properties")
        return found

    def _properties(self, node: str) -> list[str]:
        said = self._said.get(f"{node}/$properties", "")
        return [_checked(each) for each in _words(said, MAX_PROPERTIES)]

    def _elements(self, node: str) -> list[str]:
        match = _ARRAY.fullmatch(self._said.get(f"{node}/$array", ""))
        if match is None:
            return []
        first, last = int(match[1]), int(match[2])
        if last - first >= MAX_NODES:
            raise AnnouncementError(f"{node} has more than {MAX_NODES} elements")
        return [f"{node}_{at}" for at in range(first, last + 1)]


def _words(text: str, limit: int) -> list[str]:
    words = [each.strip() for each in text.split(",") if each.strip()]
    if len(words) > limit or len(set(words)) < len(words):
        raise AnnouncementError(f"names more than {limit} parts, or one of them twice")
    return words


def _checked(name: str) -> str:
    if not is_device_id(name):
        raise AnnouncementError(f"{name[:80]!a} is not a name")
    return name
