"""From an engine's foreign threads to the worker's own.

One rule: a foreign thread leaves a note and wakes us, and does nothing else.
"""

import os
import queue
from collections.abc import Iterator

from gateway.media.player_worker import Signal


class SignalBox:
    """Holds what was said about streams, by their number.

    Attributes:
        wake: Readable while there are notes.
    """

    def __init__(self) -> None:
        self._notes: queue.SimpleQueue[tuple[int, Signal]] = queue.SimpleQueue()
        self.wake, self._waking = os.pipe()
        os.set_blocking(self._waking, False)

    def put(self, stream: int, signal: Signal) -> None:
        """Leave a note; may be called by any thread."""
        self._notes.put((stream, signal))
        self.ring()

    def ring(self) -> None:
        """Wake the worker; may be called by any thread."""
        try:
            os.write(self._waking, b"!")
        except BlockingIOError:
            return  # full of wake-ups already

    def take(self, stream: int) -> Iterator[Signal]:
        """Yield the notes about `stream`; those about older ones are dropped."""
        while not self._notes.empty():
            about, signal = self._notes.get_nowait()
            if about == stream:
                yield signal
