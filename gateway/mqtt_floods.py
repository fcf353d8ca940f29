"""Who says more than anybody needs: not listened to for a while, and named.

One rule: of a flood the newest message is what counts, and nobody else's words wait behind it.
The broker is asked to keep a topic that floods to itself; what comes all the same, as it does
where a filter covers many topics, replaces what was said there before.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from gateway.mqtt import Message

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""How often the newest message of a flood is heard."""
MAX_NAMED = 200
_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodLimits:
    """What one topic may say.

    Attributes:
        window_s: Whole seconds over which its messages are counted.
        most_at_once: A burst of so many is heard whole, what is more is a flood.
        calm: A flood is over when its topic is listened to for a window and says no more than this.
    """

    window_s: int = 10
    most_at_once: int = 25_000
    calm: int = 1_000


@dataclass(slots=True)
class _Flood:
    newest: Message | None = None
    muted: bool = False


class Floods:
    """Lets through what is no flood.  To be run beside who delivers.

    Attributes:
        passed_over: How many messages on each topic were heard by nobody, as far as they came
            to the box; for the first `MAX_NAMED` topics that flooded.
    """

    def __init__(
        self,
        limits: FloodLimits,
        deliver: Callable[[Message], None],
        mute: Callable[[str], None],
        listen: Callable[[str], None],
    ) -> None:
        """Begin without a flood.

        Args:
            limits: What is a flood.
            deliver: Takes what is heard late.
            mute: Has the broker say no more on a topic, where that is possible.
            listen: Takes that back; what the broker keeps there is then heard again.
        """
        self.passed_over: Counter[str] = Counter()
        self._limits = limits
        self._deliver = deliver
        self._mute = mute
        self._listen = listen
        self._heard: dict[str, int] = {}
        self._floods: dict[str, _Flood] = {}

    def admits(self, message: Message) -> bool:
        """Return whether `message` is to be heard now; if not, it may be, later."""
        topic = message.topic
        heard = self._heard[topic] = self._heard.get(topic, 0) + 1
        flood = self._floods.get(topic)
        if flood is None:
            if heard <= self._limits.most_at_once:
                return True
            # Written as it is read: who chooses topics must not write lines of the log.
            log.warning("A flood on %r: it is listened to now and then only", topic[:_SHOWN_CHARS])
            flood = self._floods[topic] = _Flood()
        if flood.newest is not None and (topic in self.passed_over or len(self.passed_over) < MAX_NAMED):
            self.passed_over[topic] += 1
        flood.newest = message
        if not flood.muted and heard > self._limits.calm:
            flood.muted = True
            self._mute(topic)
        return False

    async def run(self) -> None:
        """Let the newest of each flood be heard, and floods end, until cancelled."""
        while True:
            for _ in range(round(self._limits.window_s / EVERY_S)):
                await asyncio.sleep(EVERY_S)
                self._hear()
            for topic, flood in tuple(self._floods.items()):
                if flood.muted:
                    flood.muted = False
                    self._listen(topic)
                else:
                    log.info("The flood on %r is over", topic[:_SHOWN_CHARS])
                    del self._floods[topic]
            self._heard.clear()

    def _hear(self) -> None:
        for flood in self._floods.values():
            if flood.newest is not None:
                message, flood.newest = flood.newest, None
                self._deliver(message)
