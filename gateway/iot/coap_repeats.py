"""Which CoAP requests came and how they were answered, to do none twice (RFC 7252, section 4.5).

One rule: the newest are remembered and no more: each costs some kilobytes, and whoever sends
datagrams from many addresses costs us as many as we let him.
"""

from collections import OrderedDict
from typing import Any

MOST = 10_000
"""Half a minute of a home of hundreds of devices that all speak at once; some 35 MB in a flood."""


class Repeats(OrderedDict[Any, Any]):
    """Takes the place of the table in aiocoap's message manager, which forgets by the time alone."""

    def __init__(self, most: int = MOST) -> None:
        """Remember `most`."""
        super().__init__()
        self._most = most

    def __setitem__(self, key: object, answer: object) -> None:
        """Remember `key`; the oldest goes if there is no room."""
        if key not in self and len(self) >= self._most:
            self.popitem(last=False)
        super().__setitem__(key, answer)

    def pop(self, key: object, default: object = None) -> object:
        """Forget `key`, which may have gone already."""
        return super().pop(key, default)
