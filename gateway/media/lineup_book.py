"""The owner of the line-up: loads it, keeps it fresh, keeps the last good copy.

One rule: a line-up that has been good once is never lost.  Whatever comes
after it, missing, broken or empty, leaves the household its channels.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.disk import LocalDisk, replace_file
from gateway.errors import GatewayError
from gateway.media.lineup import MAX_LINE_UP_BYTES, LineUp, LineUpError
from gateway.media.lineup_read import decoded, parse
from gateway.media.published import Published
from gateway.pubsub import Publisher
from gateway.schema import FieldError

log = logging.getLogger(__name__)

KEPT = "lineup.m3u"
TOLD_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LineUpConfig:
    """The ``media.line_up_reload`` section.

    Attributes:
        file_every_s: How often a file is looked at.
        address_every_s: How often an http(s) address is asked.
        retry_every_s: How often while there is no line-up at all.
        timeout_s: For a whole download.
        patience_s: How long a start waits for a fresh list when there is a kept copy.
    """

    file_every_s: float = 2.0
    address_every_s: float = 300.0
    retry_every_s: float = 3.0
    timeout_s: float = 10.0
    patience_s: float = 1.0

    def __post_init__(self) -> None:
        for name in ("file_every_s", "address_every_s", "retry_every_s", "timeout_s", "patience_s"):
            if not 0 < getattr(self, name) <= 86_400:  # noqa: PLR2004 - a day
                raise FieldError(name, "must be over 0 and at most 86400")


class LineUpBook:
    """See the module.

    Attributes:
        state: The line-up now; empty until the first was loaded.
        changes: Every new line-up.
        problem: Why the newest attempt failed, or None.
        problems: Every attempt that failed.
    """

    def __init__(self, address: str, folder: Path, config: LineUpConfig) -> None:
        """Describe the book.

        Args:
            address: File or http(s) address of the list; empty for a box without television.
            folder: Where the last good copy is kept.
            config: Times.
        """
        self.state = LineUp()
        self.changes: Publisher[LineUp] = Publisher()
        self.problem: GatewayError | None = None
        self.problems: Publisher[GatewayError] = Publisher()
        self._kept = folder / KEPT
        self._scratch = folder / "lineup.fetched"
        self._config = config
        self._list = (
            Published(address, limit_bytes=MAX_LINE_UP_BYTES, timeout_s=config.timeout_s) if address else None
        )

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve until cancelled.

        Raises:
            MissingDocumentError, LineUpError: the file cannot be used, and there never was a good one.
        """
        if self._list is None:
            ready()
            await asyncio.get_running_loop().create_future()
            return
        await asyncio.to_thread(self._kept.parent.mkdir, parents=True, exist_ok=True)
        await self._begin(self._list)
        ready()
        while True:
            await self._reload(self._list)
            await asyncio.sleep(self._pause_s(self._list))

    def allows(self, host: str) -> bool:
        """Tell whether the list as it is now lets a stream come from `host`."""
        return self.state.allows(host)

    def _pause_s(self, source: Published) -> float:
        if not self.state.channels:
            return self._config.retry_every_s
        return self._config.file_every_s if source.is_file else self._config.address_every_s

    async def _begin(self, source: Published) -> None:
        has_copy = await asyncio.to_thread(self._kept.exists)
        if has_copy:
            try:
                self._publish(await asyncio.to_thread(_parsed, self._kept, source.base))
            except (OSError, LineUpError) as error:
                log.warning("the kept line-up is of no use: %s", error)
        # Addresses in an old copy may lead nowhere, but no network must not cost the start.
        patient = source.is_file or not self.state.channels
        try:
            async with asyncio.timeout(None if patient else self._config.patience_s):
                # What is raised below is logged by whoever handles it.
                await self._reload(source, tell=not source.is_file or bool(self.state.channels))
        except TimeoutError:
            log.info("line-up: beginning with the kept copy")
        if self.problem is not None and source.is_file and not self.state.channels:
            raise self.problem

    async def _reload(self, source: Published, *, tell: bool = True) -> None:
        try:
            path = await source.newer(self._scratch)
            if path is not None:
                line_up = await asyncio.to_thread(_parsed, path, source.base)
                try:
                    # Before anybody is told: what was seen once is there at the next start.
                    await asyncio.to_thread(self._keep, path)
                finally:
                    self._publish(line_up)
        except (GatewayError, OSError) as error:
            problem = error if isinstance(error, GatewayError) else LineUpError(f"{error}")
            if tell and (self.problem is None or str(self.problem) != str(problem)):
                log.warning("%s", problem.line())
            self.problem = problem
            self.problems.publish(problem)
        else:
            # A list that was bad and has not changed is still bad.
            if path is not None or not isinstance(self.problem, LineUpError):
                self.problem = None

    def _keep(self, path: Path) -> None:
        replace_file(LocalDisk(), self._kept, path.read_bytes())

    def _publish(self, line_up: LineUp) -> None:
        if line_up == self.state:
            return
        self.state = line_up
        self.changes.publish(line_up)
        log.info("line-up: %d channels, %d lines skipped", len(line_up.channels), len(line_up.skipped))
        for skipped in line_up.skipped[:TOLD_LINES]:
            log.warning("line-up: line %d skipped: %s", skipped.line, skipped.reason)


def _parsed(path: Path, base: str) -> LineUp:
    return parse(decoded(path.read_bytes()), base=base)
