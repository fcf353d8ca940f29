"""What the daemon and the guide's loader say to one another, as JSON.

One rule: only values; the loader's process imports this and nothing of the daemon.
"""

from collections.abc import Mapping

import msgspec


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to load.

    Attributes:
        source: The XMLTV file.
        target: The guide's database.
        since: Start of what is kept, in seconds since 1970; `until` is its end, `now` the present.
        limit_bytes: Of the database.
        address: For `Meta`, likewise `mark`.
        afresh: Whether what `target` holds is of no use.
    """

    source: str
    target: str
    since: int
    now: int
    until: int
    limit_bytes: int
    address: str = ""
    mark: Mapping[str, str] | tuple[int, int, int] | None = None
    afresh: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a load did.

    Attributes:
        changed: Rows written or removed, of any table.
        written_bytes: What went to the disk for it, journal included.
        peak_bytes: Memory of the process.
    """

    programmes: int
    skipped: int
    earlier: int
    later: int
    changed: int
    written_bytes: int
    peak_bytes: int
    took_s: float
    processor_s: float
    afresh: bool


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of standard output; `refused` is about the guide, `failed` about the box."""

    programmes: int = 0
    report: Report | None = None
    refused: str = ""
    failed: str = ""
