"""What a reel's index says, as bytes.

One rule: pure, and a record is believed only if its own checksum says so;
whatever stands behind the first bad one does not count.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MAGIC = 0x4C455247
_PIECE, _SECURED = 1, 2
_DISCONTINUITY, _CONTINUES = 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Magic, kind, flags, reserved, offset, size, checksum, pull, number, wall time and duration in µs.
_BODY = struct.Struct("<IBBHQIIQQqQ4x")
_CHECK = struct.Struct("<I")
RECORD_BYTES = _BODY.size + _CHECK.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a piece lies in the media file, and what it is.

    Attributes:
        crc: CRC-32 of its bytes.
        pull: See `gateway.media.relay_shelf.Piece`, as for the rest.
    """

    offset: int
    size: int
    crc: int
    pull: int
    number: int
    at: datetime
    duration_s: float
    discontinuity: bool
    continues: bool = False

    @property
    def end(self) -> int:
        """Offset of the byte behind it."""
        return self.offset + self.size

    @property
    def until(self) -> datetime:
        """Wall time at which it ends."""
        return self.at + timedelta(seconds=self.duration_s)


@dataclass(frozen=True, slots=True)
class Secured:
    """All media before `offset` is on the medium, whatever happens to the power."""

    offset: int


def encoded(record: Entry | Secured) -> bytes:
    """Return `record` as `RECORD_BYTES` bytes."""
    if isinstance(record, Secured):
        body = _BODY.pack(_MAGIC, _SECURED, 0, 0, record.offset, 0, 0, 0, 0, 0, 0)
    else:
        body = _BODY.pack(
            _MAGIC,
            _PIECE,
            (_DISCONTINUITY if record.discontinuity else 0) | (_CONTINUES if record.continues else 0),
            0,
            record.offset,
            record.size,
            record.crc,
            record.pull,
            record.number,
            (record.at - _EPOCH) // _MICROSECOND,
            round(record.duration_s * 1_000_000),
        )
    return body + _CHECK.pack(zlib.crc32(body))


def decoded(data: bytes) -> Iterator[Entry | Secured]:
    """Yield the records of `data` up to the first that is not whole or not true."""
    for at in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        body = data[at : at + _BODY.size]
        magic, kind, flags, _, offset, size, crc, pull, number, moment, duration = _BODY.unpack(body)
        (check,) = _CHECK.unpack_from(data, at + _BODY.size)
        if magic != _MAGIC or check != zlib.crc32(body):
            return
        if kind == _SECURED:
            yield Secured(offset)
        elif kind == _PIECE:
            yield Entry(
                offset=offset,
                size=size,
                crc=crc,
                pull=pull,
                number=number,
                at=_EPOCH + timedelta(microseconds=moment),
                duration_s=duration / 1_000_000,
                discontinuity=bool(flags & _DISCONTINUITY),
                continues=bool(flags & _CONTINUES),
            )
