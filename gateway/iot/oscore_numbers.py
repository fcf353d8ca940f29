"""Which numbers OSCORE messages may have (RFC 8613, sections 7.4 and 7.5, appendix B.1).  Pure.

One rule: a number is used only after one beyond it is on the disk, so that no
power cut makes us use it again; what was not used of a reserve is lost.
"""

from typing import ClassVar, Final

from gateway.errors import GatewayError
from gateway.iot.oscore import MAX_NUMBER

STEP: Final = 64
"""Numbers reserved by one write: the flash sees one write for so many messages."""
AFTER_RESTORE: Final = 2**28
"""How far to jump when an old copy of the disk's state came back: more than a month at 100 a second."""
WINDOW: Final = 32


class NumbersUsedUpError(GatewayError):
    """All numbers of a device's OSCORE credentials were used."""

    code: ClassVar[str] = "IOT-714"
    hint = "Make new credentials for the device."


def reserve(used: int) -> range:
    """Return which numbers to reserve when all below `used` may have been used; its end is what to write.

    Raises:
        NumbersUsedUpError: there are no more.
    """
    if used > MAX_NUMBER:
        raise NumbersUsedUpError(f"{MAX_NUMBER + 1} messages were sealed with one key")
    return range(used, min(used + STEP, MAX_NUMBER + 1))


class SenderNumbers:
    """The numbers that were reserved for one sender and are not used yet."""

    def __init__(self) -> None:
        self._left = range(0)

    @property
    def is_empty(self) -> bool:
        """Whether `refill` must come before `take`."""
        return not self._left

    def refill(self, reserved: range) -> None:
        """Take note that `reserved` is ours, and on the disk."""
        self._left = reserved

    def take(self) -> int:
        """Return a number that was never returned before.

        Raises:
            IndexError: none is reserved.
        """
        number = self._left[0]
        self._left = self._left[1:]
        return number


class ReplayWindow:
    """Which numbers of the other peer came already; nothing is known of them after a restart."""

    def __init__(self, *, is_new: bool) -> None:
        """Begin, with a peer that never used its key (`is_new`), or of which nothing is known."""
        self._highest = -1
        self._seen = 0
        self.is_known = is_new

    def is_fresh(self, number: int) -> bool:
        """Whether `number` did not come yet, and is not too old to tell."""
        if number > self._highest:
            return True
        age = self._highest - number
        return age < WINDOW and not self._seen >> age & 1

    def note(self, number: int) -> None:
        """Take note of `number`, of a message that was opened."""
        if number > self._highest:
            ahead = min(number - self._highest, WINDOW)
            self._seen = (self._seen << ahead | 1) & ((1 << WINDOW) - 1)
            self._highest = number
        else:
            self._seen |= 1 << (self._highest - number)

    def begin(self, number: int) -> None:
        """Begin at `number`, whose message is proved to be new: what is older counts as seen."""
        self._highest = number
        self._seen = (1 << WINDOW) - 1
        self.is_known = True
