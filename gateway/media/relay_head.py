"""The front of a cold channel's first segment, given to players byte by byte as it arrives.

One rule: nothing is given before a decoder can begin with it, and nothing is
ever taken back: who was given a front that turns out to be of another segment
has to begin anew.
"""

from collections.abc import Callable

from gateway.media import ts
from gateway.pubsub import Publisher

GIVEN_UP_BYTES = 512 * 1024
"""A segment in which no decoder can begin by now is waited for as a whole."""


class Head:
    """A beginning of one segment, which grows.

    Attributes:
        data: Whole transport stream packets, from the first of the segment on.
        begun: A decoder can begin with it.
        progress: It has grown, or does not grow any more.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        """Describe a front of which nothing has come; `tell` is called when a decoder can begin."""
        self.data = bytearray()
        self.begun = False
        self.progress: Publisher[None] = Publisher()
        self._tell = tell

    def arriving(self, body: bytes | bytearray) -> None:
        """Take what is new of the `body` so far, in the clear."""
        whole = len(body) - len(body) % ts.PACKET
        if whole <= len(self.data):
            return
        self.data += body[len(self.data) : whole]
        if not self.begun and len(self.data) <= GIVEN_UP_BYTES and _can_begin(bytes(self.data)):
            self.begun = True
            self._tell()
        self.progress.publish(None)


def _can_begin(data: bytes) -> bool:
    if not (ts.is_ts(data) and ts.tables(data) and ts.pcr_positions(data)):
        return False
    return bool(ts.key_frames(data))
