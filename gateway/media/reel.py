"""Pieces of a channel on the disk: a transport stream file, and an index beside it.

One rule: both files only grow.  After a crash or a power cut they are cut back
to the last whole piece that is really there, and may grow on from it.

Everything here that touches a file blocks; it belongs into a thread, and into
one at a time, but for `Reel.read`, which may be called from any.
"""

import contextlib
import os
import zlib
from pathlib import Path
from typing import ClassVar

from gateway.errors import GatewayError
from gateway.media.reel_index import RECORD_BYTES, Entry, Secured, decoded, encoded
from gateway.media.relay_facts import Kind
from gateway.media.relay_shelf import Piece

MEDIA = ".ts"
INDEX = ".idx"
WRITE_BYTES = 1024 * 1024
"""Media goes to the disk in multiples of this, at such offsets: flash erases blocks, not bytes."""

_MODE = 0o600


class ReelError(GatewayError):
    """The disk is full, or cannot be written."""

    code: ClassVar[str] = "TV-501"
    hint = "Free some space on the box's disk; television itself is not affected."


class Reel:
    """One media file and its index.

    Attributes:
        path: Of the media file.
        entries: What it holds, in the order it came; only ever appended to.
        bytes_written: What has been handed to the disk, index included.
    """

    def __init__(self, path: Path, *, write_bytes: int = WRITE_BYTES) -> None:
        """Describe it; `open` reads what is there.

        Args:
            path: Of the media file, ending in `MEDIA`.
            write_bytes: Smallest and most aligned write, unless `flush` is called.
        """
        self.path = path
        self.entries: list[Entry] = []
        self.bytes_written = 0
        self._index = path.with_suffix(INDEX)
        self._write_bytes = write_bytes
        self._unwritten: tuple[tuple[Entry, bytes], ...] = ()
        self._on_disk = 0
        self._secured = 0
        self._noted = 0
        self._media_file: int | None = None
        self._index_file: int | None = None

    @property
    def size_bytes(self) -> int:
        """All media, also what is still in memory."""
        return self.entries[-1].end if self.entries else 0

    @property
    def duration_s(self) -> float:
        """All media; holes do not count."""
        return sum(entry.duration_s for entry in self.entries)

    @property
    def written(self) -> int:
        """How many pieces survive the end of this process."""
        return len(self.entries) - len(self._unwritten)

    @property
    def secured(self) -> int:
        """How many pieces survive a power cut."""
        return sum(entry.end <= self._secured for entry in self.entries)

    def open(self) -> None:
        """Read what an earlier run left; cut off what is not whole.

        Raises:
            ReelError: the disk does not let us.
        """
        try:
            self._recover()
        except OSError as error:
            raise ReelError(f"A recorded file cannot be read: {error.strerror}") from error

    def append(self, piece: Piece) -> Entry:
        """Add `piece`; it may stay in memory until there is enough to write, or `flush`.

        Raises:
            ReelError: the disk does not take it; the reel is as before.
        """
        entry = Entry(
            offset=self.size_bytes,
            size=len(piece.data),
            crc=zlib.crc32(piece.data),
            pull=piece.pull,
            number=piece.number,
            at=piece.at,
            duration_s=piece.duration_s,
            discontinuity=piece.discontinuity,
            continues=piece.continues,
        )
        # In this order: whoever reads beside us finds the data of every entry there is.
        self._unwritten = (*self._unwritten, (entry, piece.data))
        self.entries.append(entry)
        whole = entry.end - entry.end % self._write_bytes
        if whole > self._on_disk:
            try:
                self._write(whole)
            except OSError as error:
                self.entries.pop()
                self._unwritten = tuple(pair for pair in self._unwritten if pair[0] is not entry)
                self._on_disk = min(self._on_disk, self.size_bytes)
                raise ReelError(f"The disk does not take more: {error.strerror}") from error
        return entry

    def flush(self) -> None:
        """Hand everything to the system, so that it survives the end of this process.

        Raises:
            ReelError: the disk does not take it; what there was before is safe.
        """
        try:
            self._write(self.size_bytes)
        except OSError as error:
            raise ReelError(f"The disk does not take more: {error.strerror}") from error

    def secure(self) -> None:
        """Return when everything is on the medium, so that it survives a power cut.

        Raises:
            ReelError: the disk does not take it.
        """
        self.flush()
        if self._media_file is None or self._index_file is None or self._secured == self._on_disk:
            return
        first = self._secured == 0
        try:
            os.fdatasync(self._media_file)
            self._secured = self._on_disk
            self._note(encoded(Secured(self._secured)))
            os.fdatasync(self._index_file)
            if first:  # the names of the files themselves
                _sync_folder(self.path.parent)
        except OSError as error:
            raise ReelError(f"The disk does not take more: {error.strerror}") from error

    def close(self) -> None:
        """Secure it and let go of the files; `append` opens them again.

        Raises:
            ReelError: the disk does not take it; the files are let go of all the same.
        """
        try:
            self.secure()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of the files as they are."""
        for file in (self._media_file, self._index_file):
            if file is not None:
                with contextlib.suppress(OSError):
                    os.close(file)
        self._media_file = self._index_file = None

    def delete(self) -> None:
        """Remove it, whole: without its index the media is nothing."""
        self.abandon()
        with contextlib.suppress(OSError):
            self._index.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)

    def read(self, entry: Entry) -> Piece | None:
        """Return the piece, or None if it is damaged, or the reel is gone."""
        data = next((held for known, held in self._unwritten if known is entry), None)
        if data is None:
            try:
                data = _read(self.path, entry.offset, entry.size)
            except OSError:
                return None
            if len(data) != entry.size or zlib.crc32(data) != entry.crc:
                return None
        return Piece(
            pull=entry.pull,
            number=entry.number,
            kind=Kind.TS,
            data=data,
            duration_s=entry.duration_s,
            discontinuity=entry.discontinuity,
            init=None,
            program_date=entry.at,
            at=entry.at,
            arrived_s=0.0,
            continues=entry.continues,
        )

    def _write(self, until: int) -> None:
        """Write all media before the offset `until`, and note the pieces that are whole by it."""
        media = self._opened()
        while self._on_disk < until:
            views = [
                memoryview(data)[max(0, self._on_disk - entry.offset) : until - entry.offset]
                for entry, data in self._unwritten
                if entry.end > self._on_disk and entry.offset < until
            ]
            count = os.pwritev(media, views, self._on_disk)
            self._on_disk += count
            self.bytes_written += count
        whole = [entry for entry, _ in self._unwritten if entry.end <= self._on_disk]
        self._note(b"".join(map(encoded, whole)))
        self._unwritten = self._unwritten[len(whole) :]

    def _note(self, records: bytes) -> None:
        noted = 0
        while noted < len(records) and self._index_file is not None:
            noted += os.pwrite(self._index_file, records[noted:], self._noted + noted)
        # Only now: after a failure in between, the next attempt begins at the same place.
        self._noted += noted
        self.bytes_written += noted

    def _opened(self) -> int:
        if self._media_file is None:
            self._media_file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
            self._index_file = os.open(self._index, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _MODE)
        return self._media_file

    def _recover(self) -> None:
        there = self.path.stat().st_size if self.path.exists() else 0
        index = self._index.read_bytes() if self._index.exists() else b""
        entries: list[tuple[Entry, int]] = []
        secured = believed = 0
        for number, record in enumerate(decoded(index), 1):
            if isinstance(record, Secured):
                secured = max(secured, record.offset)
            elif record.offset != (entries[-1][0].end if entries else 0) or record.end > there:
                break
            else:
                entries.append((record, number * RECORD_BYTES))
            believed = number * RECORD_BYTES
        for place, (entry, _) in enumerate(entries):
            # The system writes in its own order: what was not waited for may be holes.
            if entry.end > secured and zlib.crc32(_read(self.path, entry.offset, entry.size)) != entry.crc:
                entries = entries[:place]
                believed = entries[-1][1] if entries else 0
                break
        self.entries = [entry for entry, _ in entries]
        self._on_disk, self._noted = self.size_bytes, believed
        self._secured = min(secured, self._on_disk)
        if there > self._on_disk:
            os.truncate(self.path, self._on_disk)
        if len(index) > believed:
            os.truncate(self._index, believed)


def _read(path: Path, offset: int, size: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        while size > 0 and (part := os.pread(file, size, offset)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
