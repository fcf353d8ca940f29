"""A loop of segments that follows itself for ever, moved in time in a millisecond.

One rule: the bytes are those of `headend.demo.stock.Stock.segment`, which a test
compares; only faster, because an origin that computes is no origin to measure at.
"""

from dataclasses import dataclass, field
from functools import cached_property

from headend.demo import retime
from headend.demo.channels import LOOP_S
from headend.demo.stock import Stock

_PACKET = retime.PACKET_BYTES
_LOW = 0x0F


@dataclass(frozen=True)
class Loop:
    """A stock of segments, in memory."""

    stock: Stock
    _moulds: dict[int, "_Mould"] = field(default_factory=dict)

    @cached_property
    def init(self) -> bytes:
        """The initialisation segment of fragmented MP4."""
        return self.stock.init()

    def segment(self, number: int) -> bytes:
        """Return segment `number` with its time in it."""
        stock = self.stock
        if stock.scales:
            return stock.segment(number)
        loop, place = divmod(number, len(stock.files))
        mould = self._moulds.get(place)
        if mould is None:
            mould = self._moulds[place] = _Mould((stock.folder / stock.files[place]).read_bytes())
        shift = loop * LOOP_S * retime.CLOCK_HZ - stock.first_pts
        return mould.cast(shift, {pid: loop * count for pid, count in stock.packets.items()})


class _Mould:
    """A TS segment, and the places in it that change."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        # Only packets with a clock are handed to the slow way; the rest keep their counter alone.
        starts = range(0, len(data), _PACKET)
        pids = [(data[at + 1] & 0x1F) << 8 | data[at + 2] for at in starts]
        self._pids = sorted(set(pids))
        flags = data[3::_PACKET]
        self._high = int.from_bytes(bytes(flag & 0xF0 for flag in flags))
        # Which PID in the upper half of a byte, its counter in the lower: one table then moves all.
        self._counters = bytes(
            self._pids.index(pid) << 4 | flag & _LOW for pid, flag in zip(pids, flags, strict=True)
        )
        self._timed = [at for at in starts if data[at + 1] & 0x40 or _has_pcr(data, at)]

    def cast(self, shift: int, counters: dict[int, int]) -> bytes:
        timed = retime.retime_ts(b"".join(self._data[at : at + _PACKET] for at in self._timed), shift, {})
        out = bytearray(self._data)
        for n, at in enumerate(self._timed):
            out[at : at + _PACKET] = timed[n * _PACKET : (n + 1) * _PACKET]
        table = bytearray(256)
        for place, pid in enumerate(self._pids):
            for counter in range(16):
                table[place << 4 | counter] = counter + counters.get(pid, 0) & _LOW
        low = int.from_bytes(self._counters.translate(table))
        out[3::_PACKET] = (self._high | low).to_bytes(len(self._counters))
        return bytes(out)


def _has_pcr(data: bytes, at: int) -> bool:
    return bool(data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x10)
