"""Datagrams of a transport stream, with or without RTP (RFC 3550, RFC 2250), put in order.

One rule: pure.  A datagram that is late by more than the window is lost, and every loss is counted.
"""

from gateway.media.ts import PACKET, SYNC

WINDOW = 64
"""Datagrams kept while an earlier one is missing: about 20 ms at 40 Mbit/s."""

MAX_STEP = 3000
"""A larger step of the sequence number is a sender that began anew."""

_HEAD = 12
_VERSION = 2
_CYCLE = 1 << 16


class Datagrams:
    """Orders the datagrams of one sender.

    Attributes:
        lost: Datagrams that never came, or too late.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._next: int | None = None
        self._early: dict[int, bytes] = {}

    def add(self, datagram: bytes) -> list[bytes]:
        """Return the payloads that are due after `datagram`, in order."""
        if datagram[:1] == bytes([SYNC]) and len(datagram) % PACKET == 0:
            return [datagram]
        number, payload = _opened(datagram)
        if number is None:
            return []
        if self._next is None:
            self._next = number
        ahead = (number - self._next) % _CYCLE
        if ahead > _CYCLE - MAX_STEP:
            return []  # a double, or so late that it has been counted as lost
        if ahead > MAX_STEP:
            self._next, ahead = number, 0
            self.lost += 1
            self._early.clear()
        self._early[number] = payload
        if len(self._early) > WINDOW:
            first = min(self._early, key=lambda n: (n - (self._next or 0)) % _CYCLE)
            self.lost += (first - self._next) % _CYCLE
            self._next = first
        due: list[bytes] = []
        while self._next in self._early:
            due.append(self._early.pop(self._next))
            self._next = (self._next + 1) % _CYCLE
        return due


def _opened(datagram: bytes) -> tuple[int | None, bytes]:
    """Return sequence number and payload, or None if it is no RTP."""
    if len(datagram) < _HEAD or datagram[0] >> 6 != _VERSION:
        return None, b""
    start = _HEAD + 4 * (datagram[0] & 0x0F)
    if datagram[0] & 0x10:
        start += 4 + 4 * int.from_bytes(datagram[start + 2 : start + 4])
    end = len(datagram) - (datagram[-1] if datagram[0] & 0x20 else 0)
    payload = datagram[start:end]
    if payload[:1] != bytes([SYNC]):
        return None, b""
    return int.from_bytes(datagram[2:4]), payload
