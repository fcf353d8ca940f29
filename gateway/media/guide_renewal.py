"""When the guide is fetched anew, and what is done when that fails.

One rule: a fleet of boxes never asks at once: each has its own moment in the hour,
made from its id, and a town whose power comes back goes on with the guide it has.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import GatewayError
from gateway.media.guide_order import Order, Report
from gateway.media.guide_shelf import GuideShelf
from gateway.media.published import Published
from gateway.media.xmltv import MAX_PACKED_BYTES, GuideError
from gateway.pubsub import Publisher
from gateway.schema import FieldError

log = logging.getLogger(__name__)

DAY_S = 86_400
# A guide that ends sooner is not one to wait with.
ENOUGH_S = DAY_S / 2
STALE_SPREAD_S = 60.0
CLOCK_SLACK_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideConfig:
    """The ``media.guide_reload`` section.

    Attributes:
        file_every_s: How often a file is looked at.
        address_every_s: How often an http(s) address is asked, each box at its own moment.
        retry_every_s: How long after a failure; doubles up to `address_every_s`.
        timeout_s: For a whole download.
        load_timeout_s: For taking a guide in.
        back_days: How much of the past is kept; some days more until it is worth a write.
        ahead_days: How much of the future.
        limit_bytes: Of the guide's file.
    """

    file_every_s: float = 10.0
    address_every_s: float = 3600.0
    retry_every_s: float = 30.0
    timeout_s: float = 120.0
    load_timeout_s: float = 900.0
    back_days: int = 7
    ahead_days: int = 14
    limit_bytes: int = 1024 * 1024 * 1024

    def __post_init__(self) -> None:
        for name in ("file_every_s", "address_every_s", "retry_every_s", "timeout_s", "load_timeout_s"):
            if not 0 < getattr(self, name) <= DAY_S:
                raise FieldError(name, "must be over 0 and at most 86400")
        for name in ("back_days", "ahead_days"):
            if not 1 <= getattr(self, name) <= 31:  # noqa: PLR2004 - a month
                raise FieldError(name, "must be 1 to 31")
        if self.limit_bytes < 1024 * 1024:
            raise FieldError("limit_bytes", "must be at least 1048576")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A whole guide has been taken in."""

    programmes: int
    skipped: int


class GuideRenewal:
    """See the module.

    Attributes:
        changes: Every completed load.
        progress: While one is under way, how many programmes so far; otherwise None.
        report: What the newest load of this run did.
        problem: Why the newest attempt failed, or None.
        problems: Every attempt that failed.
    """

    def __init__(
        self, shelf: GuideShelf, where: Callable[[], str], scratch: Path, config: GuideConfig, box: str
    ) -> None:
        """Describe the renewal.

        Args:
            shelf: What is renewed.
            where: The address now; empty for none.
            scratch: Where a download is put.
            config: Times and bounds.
            box: The box's id.
        """
        self.changes: Publisher[Loaded] = Publisher()
        self.progress: int | None = None
        self.report: Report | None = None
        self.problem: GatewayError | None = None
        self.problems: Publisher[GatewayError] = Publisher()
        self._shelf = shelf
        self._where = where
        self._scratch = scratch
        self._config = config
        self._phase = int.from_bytes(hashlib.sha256(box.encode()).digest()[:4]) / 2**32
        self._source: Published | None = None
        self._failures = 0
        self._afresh = False

    async def run(self) -> None:
        """Keep the guide fresh until cancelled."""
        await asyncio.to_thread(self._scratch.parent.mkdir, parents=True, exist_ok=True)
        await self._wait(self._first_pause_s())
        while True:
            await self._refresh()
            await self._wait(self._pause_s())

    def fail(self, error: GatewayError) -> None:
        """Take note of what went wrong with the guide."""
        self._failures += 1
        if self.problem is None or str(error) != str(self.problem):
            log.warning("%s", error.line())
        self.problem = error
        self.problems.publish(error)

    async def _wait(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._shelf.damaged.wait()
        except TimeoutError:
            return
        self._shelf.damaged.clear()
        self._afresh = True
        if self._source is not None:
            self._source.forget()

    def _first_pause_s(self) -> float:
        meta, source = self._shelf.meta, self._chosen()
        if source is None or source.is_file or meta.address != source.address:
            return 0.0
        enough = meta.until > time.time() + ENOUGH_S
        return self._phase * (self._config.address_every_s if enough else STALE_SPREAD_S)

    def _pause_s(self) -> float:
        config = self._config
        if self._source is None:
            return config.retry_every_s
        usual = config.file_every_s if self._source.is_file else config.address_every_s
        if self.problem is None:
            return usual
        if self._source.is_file:
            return config.retry_every_s
        doubled = config.retry_every_s * 2.0 ** min(self._failures, 10) * (0.5 + self._phase / 2)
        return min(doubled, max(usual, config.retry_every_s))

    def _chosen(self) -> Published | None:
        """Return where the guide comes from now, with what is known of the version on the shelf."""
        address, meta = self._where(), self._shelf.meta
        if not address:
            self._source = None
        elif self._source is None or self._source.address != address:
            self._source = Published(address, limit_bytes=MAX_PACKED_BYTES, timeout_s=self._config.timeout_s)
            self._source.mark = meta.mark if meta.address == address else None
        return self._source

    async def _refresh(self) -> None:
        source = self._chosen()
        if source is None:
            return
        if self._is_outdated():
            source.forget()
        try:
            path = await source.newer(self._scratch)
            if path is not None:
                await self._take_in(source, path)
            if path is not None or not isinstance(self.problem, GuideError):
                self.problem, self._failures = None, 0
        except GatewayError as error:
            if not isinstance(error, GuideError):  # the same bad file would be read again and again
                source.forget()
            self.fail(error)

    def _is_outdated(self) -> bool:
        """Return whether even the same document must be read again, since its window has moved."""
        meta = self._shelf.meta
        moved_s = time.time() - meta.loaded_at
        # A clock that was wrong when the guide was taken in has cut it in the wrong place.
        return bool(meta.load) and (moved_s < -CLOCK_SLACK_S or (meta.later > 0 and moved_s > ENOUGH_S))

    async def _take_in(self, source: Published, path: Path) -> None:
        now = int(time.time())
        order = Order(
            source=str(path),
            target=str(self._shelf.path),
            since=now - self._config.back_days * DAY_S,
            now=now,
            until=now + self._config.ahead_days * DAY_S,
            limit_bytes=self._config.limit_bytes,
            address=source.address,
            mark=source.mark,
            afresh=self._afresh,
        )
        try:
            report = await self._shelf.load(order, self._advance, self._config.load_timeout_s)
        finally:
            self.progress = None
            if path == self._scratch:
                await asyncio.to_thread(path.unlink, missing_ok=True)
        self.report, self._afresh = report, False
        log.info(
            "guide: %d programmes, %d skipped, %d rows changed in %.1f s",
            report.programmes,
            report.skipped,
            report.changed,
            report.took_s,
        )
        self.changes.publish(Loaded(report.programmes, report.skipped))

    def _advance(self, programmes: int) -> None:
        self.progress = programmes
