"""Who is still there after a loss of the connection to the broker.

One rule: nobody is given up before the broker has said all that it keeps, and then only
after their time.  Whoever took their leave while we were away cleared what the broker kept
of them, and we hear nothing of it: so everybody has to be heard of again.
"""

import asyncio
from collections.abc import Callable, Iterable

from gateway.iot.mqtt_echo import Echo
from gateway.mqtt import Broker, Message


class RollCall:
    """Asks for everybody after each loss.

    Attributes:
        missing: Who was not heard of again until now.
    """

    def __init__(self, broker: Broker, echo: Echo, patience_s: float) -> None:
        """Ask for nobody yet.

        Args:
            broker: Where the loss is.
            echo: Tells when the broker has repeated what it keeps.
            patience_s: Time after that: a broker that has forgotten is told again by the devices.
        """
        self.missing: set[str] = set()
        self._broker = broker
        self._echo = echo
        self._patience_s = patience_s
        self._losses = 0
        self._due = 0
        self._repeated = asyncio.Event()

    def begin(self, names: Iterable[str]) -> None:
        """Have everybody of `names` heard of again: the connection is lost, or we just began to listen."""
        self.missing = set(names)
        self._losses += 1
        if self._broker.connected:
            self.call()

    def call(self) -> None:
        """The connection is back, and all is subscribed again."""
        self._due = self._echo.ask()

    def hear(self, name: str, message: Message) -> None:
        """Take note that `message` is of `name`."""
        # What still waited for us when the connection was lost was said before.
        if message.retain or self._broker.connected:
            self.missing.discard(name)

    def hear_echo(self, number: int) -> None:
        """Take note of the echo of that number."""
        if 0 < self._due <= number:
            self._due = 0
            self._repeated.set()

    async def run(self, give_up: Callable[[str], None]) -> None:
        """Call `give_up` with each who is gone, until cancelled."""
        while True:
            await self._repeated.wait()
            self._repeated.clear()
            losses = self._losses
            await asyncio.sleep(self._patience_s)
            while self.missing and losses == self._losses and self._broker.connected:
                give_up(self.missing.pop())
                await asyncio.sleep(0)
